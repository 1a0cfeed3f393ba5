// As much of Express as the vendor's page uses, on Node's own http server, so that its handler runs where nothing can be
// installed: express(), express.json(), app.post(), app.listen(), res.status().end().
'use strict'
const http = require('node:http')

function express() {
  const routes = new Map()

  function app(req, res) {
    const handlers = req.method === 'POST' && routes.get(new URL(req.url, 'http://here').pathname)
    res.status = (code) => {
      res.statusCode = code
      return res
    }
    if (!handlers) return res.status(404).end()
    const next = (index) => (error) =>
      error ? res.status(error.status).end() : handlers[index](req, res, next(index + 1))
    next(0)()
  }

  app.post = (path, ...handlers) => routes.set(path, handlers)
  app.listen = (...given) => http.createServer(app).listen(...given)
  return app
}

express.json = () => (req, res, next) => {
  const chunks = []
  req.on('data', (chunk) => chunks.push(chunk))
  req.on('end', () => {
    // Like Express, it looks at the type before it reads JSON.
    if (!/^application\/json\b/.test(req.headers['content-type'])) return next()
    try {
      req.body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    } catch {
      return next({ status: 400 })
    }
    next()
  })
}

module.exports = express
