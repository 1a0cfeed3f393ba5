/*
 * Who may send: the algorithm of the PostgreSQL ledger, as apimodels.apply and the shards carry it out.
 *
 * Two workers, two requests in one shard. A worker may stop anywhere, for ever or for any time; the engine may give its
 * shard to the other one while it is alive; the answer of a COMMIT may be lost, and a statement whose connection broke
 * may be carried out at any later time; the server may be replaced by a standby that lacks what was acknowledged last.
 *
 * What must never happen:
 *   two sends      bytes of a request leave while an earlier send of it may have been accepted
 *   a lost task    a task was accepted, and neither its row, nor the strays, nor a live worker names it, nor is the row
 *                  sending or unknown, which a person is told of
 *   a false report the shard was reported, and a request that it reports as not accepted is accepted all the same
 *
 * -DNO_FENCE, -DNO_CAS, -DNO_ATTEMPT and -DNO_PLACE leave out one rule each.
 */

#ifndef HOLDS
#define HOLDS 3     /* how often a worker begins the shard, all together */
#endif
#ifndef MISHAPS
#define MISHAPS 2   /* answers of a COMMIT that are lost */
#endif
#ifndef REQUESTS
#define REQUESTS 2
#endif

#define LAST (REQUESTS - 1)

mtype = { intent, sending, created, rejected, unknown };
mtype = { nothing, task, refused, not_taken };

/* --- the database */
mtype step[REQUESTS];
byte attempt[REQUESTS];  /* of the last mark: each hold marks a request once, so its number is that of the fence */
bool named[REQUESTS];      /* the row, or a stray, names the task */
byte fence;
bool over[HOLDS + 2];    /* by fence: the run of that holder has ended, or its lease ran out */
bool moved;              /* a standby was promoted */

/* --- the vendor */
byte outstanding[REQUESTS];  /* sends that are not known to have been refused */
bool accepted[REQUESTS];

/* --- the workers */
byte holding[REQUESTS];  /* workers that have the task in memory */
byte mishaps;
bool finished;
mtype reported[REQUESTS];

/* --- a statement whose connection broke, and that is carried out later */
mtype late_step;
byte late_request, late_fence;
bool late;

#ifdef NO_FENCE
#define FENCED(f) false
#else
#define FENCED(f) (f <= HOLDS && fence != f)
#endif

#ifdef NO_CAS
#define MAY_BE_MARKED(r) true
#else
#define MAY_BE_MARKED(r) (step[r] == intent || step[r] == rejected)
#endif

#ifdef NO_ATTEMPT
#define MATCHES(r, f) true
#else
#define MATCHES(r, f) (attempt[r] == f)
#endif

#ifdef NO_PLACE
#define MOVED false
#else
#define MOVED moved
#endif

#define IS_FOUND(r) (!accepted[r] || named[r] || step[r] == sending || step[r] == unknown || holding[r] > 0 || moved)

/* A mark at sending: one transaction. */
inline mark(r, f, result) {
    if
    :: step[r] == sending && MATCHES(r, f) -> result = true  /* carried out before, and its answer was lost */
    :: else ->
        if
        :: !FENCED(f) && !over[f] && !MOVED && MAY_BE_MARKED(r) -> step[r] = sending; attempt[r] = f; result = true
        :: else -> result = false
        fi
    fi
}

/* News of an attempt: from any fence. */
inline report(r, f, outcome) {
    if
    :: outcome == task ->
        if
        :: (step[r] == sending || step[r] == unknown) && MATCHES(r, f) -> step[r] = created
        :: else -> skip  /* a stray */
        fi;
        named[r] = true
    :: outcome == not_taken ->
        if
        :: step[r] == sending && MATCHES(r, f) -> step[r] = intent
        :: else -> skip
        fi
    :: outcome == refused ->
        if
        :: (step[r] == sending || step[r] == intent) && MATCHES(r, f) -> step[r] = rejected
        :: else -> skip
        fi
    :: outcome == nothing ->
        if
        :: step[r] == sending && MATCHES(r, f) -> step[r] = unknown
        :: else -> skip
        fi
    fi
}

/* The answer of a statement is lost: it was carried out, or never will be, or will be later. */
inline lose(r, f, what) {
    mishaps++;
    if
    :: skip
    :: !late -> late = true; late_step = what; late_request = r; late_fence = f
    fi
}

proctype worker() {
    byte f, r;
    bool mine;
    mtype seen, outcome;

start:  /* a new process, or a further try of the engine */
    atomic {
        mine = false; seen = 0; outcome = 0;
        if
        :: finished || fence == HOLDS -> goto done
        :: else -> skip
        fi;
        /* The other worker is dead, or only cut off from the engine. */
        if
        :: over[fence] = true
        :: skip
        fi;
        fence++; f = fence
    }
    r = 0;
    do
    :: r == REQUESTS -> break
    :: r < REQUESTS ->
        seen = step[r];
        if
        :: seen == intent || seen == rejected ->
            do  /* until the COMMIT is acknowledged */
            :: d_step { mark(r, f, mine) } break
            :: d_step { mishaps < MISHAPS -> mark(r, f, mine); mishaps++; mine = false }
            :: atomic { mishaps < MISHAPS -> lose(r, f, sending) }
            :: goto crash
            od;
            if
            :: !mine -> skip
            :: mine ->
                if
                :: goto crash  /* between the mark and the first byte */
                :: skip
                fi;
                atomic {
                    assert(outstanding[r] == 0);
                    outstanding[r]++;
                    if
                    :: accepted[r] = true; outcome = task; holding[r]++
                    :: accepted[r] = true; outcome = nothing  /* the answer is lost */
                    :: outcome = nothing
                    :: outstanding[r]--; outcome = refused
                    :: outstanding[r]--; outcome = not_taken
                    fi;
                    assert(!(finished && accepted[r] && (reported[r] == intent || reported[r] == rejected)))
                }
                do
                :: d_step { report(r, f, outcome) } break
                :: d_step { mishaps < MISHAPS -> report(r, f, outcome); mishaps++ }
                :: atomic { mishaps < MISHAPS && outcome == not_taken -> lose(r, f, intent) }
                :: goto crash_with_answer
                od;
                atomic {
                    if
                    :: outcome == task -> holding[r]--
                    :: else -> skip
                    fi;
                    outcome = 0; mine = false
                }
            fi
        :: else -> skip
        fi;
        atomic { seen = 0; r++ }
    od;
    /* What other runs are sending is waited for, at the end; what runs that are over were sending is unknown. */
    r = 0;
    do
    :: r == REQUESTS -> break
    :: r < REQUESTS ->
        if
        :: step[r] != sending -> skip
        :: atomic { step[r] == sending && (over[attempt[r]] || attempt[r] == f) -> step[r] = unknown }
        :: fence != f -> goto start  /* taken over meanwhile */
        fi;
        r++
    od;
    atomic {
        if
        :: fence == f && !moved ->
            finished = true;
            reported[0] = step[0]; reported[LAST] = step[LAST]
        :: else -> skip
        fi
    }
    goto done;

crash_with_answer:
    atomic {
        if
        :: outcome == task -> holding[r]--; outcome = nothing
        :: else -> skip
        fi
    }
crash:
    if
    :: goto start
    :: goto done
    fi;
done:
    skip
}

/* A call without a shard, such as create(key=...): it has no fence, and one attempt. */
#define CALLER (HOLDS + 1)

proctype caller() {
    bool mine;
    mtype seen, outcome;

    seen = step[0];
    if
    :: seen != intent -> goto done
    :: else -> skip
    fi;
    d_step { mark(0, CALLER, mine); seen = 0 }
    if
    :: !mine -> goto done
    :: mine -> skip
    fi;
    atomic {
        assert(outstanding[0] == 0);
        outstanding[0]++;
        if
        :: accepted[0] = true; outcome = task; holding[0]++
        :: accepted[0] = true; outcome = nothing
        :: outstanding[0]--; outcome = not_taken
        fi
    }
    if
    :: d_step { report(0, CALLER, outcome) }
    :: skip  /* it stops before that */
    fi;
done:
    atomic {
        if
        :: outcome == task -> holding[0]--
        :: else -> skip
        fi;
        over[CALLER] = true; mine = false; seen = 0; outcome = 0
    }
}

/* A statement that was on its way when its connection broke. */
proctype latecomer() {
    bool ignored;
end:
    do
    :: d_step {
        late ->
        if
        :: late_step == sending -> mark(late_request, late_fence, ignored)
        :: else -> report(late_request, late_fence, not_taken)
        fi;
        late = false; late_step = 0; late_request = 0; late_fence = 0; ignored = false
       }
    :: d_step { !(IS_FOUND(0) && IS_FOUND(LAST)) -> assert(false /* a lost task */) }
    od
}

/* An asynchronous standby has everything up to some moment; then it is promoted. */
proctype failover() {
    mtype was[REQUESTS];
    byte had[REQUESTS], at;
    d_step { was[0] = step[0]; had[0] = attempt[0]; was[LAST] = step[LAST]; had[LAST] = attempt[LAST]; at = fence }
    d_step {
        step[0] = was[0]; attempt[0] = had[0]; step[LAST] = was[LAST]; attempt[LAST] = had[LAST];
        fence = (fence == HOLDS -> HOLDS : at); moved = true;
        was[0] = 0; had[0] = 0; was[LAST] = 0; had[LAST] = 0; at = 0
    }
}

init {
    atomic {
        step[0] = intent; step[LAST] = intent;
        run worker(); run worker(); run latecomer();
#ifdef WITH_CALLER
        run caller();
#endif
#ifdef FAILOVER
        run failover()
#endif
    }
}
