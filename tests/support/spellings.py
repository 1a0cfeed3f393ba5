"""How a server may write a key that it echoes."""

import base64
from collections.abc import Callable


def json_escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json_escaped,
    "JSON in capitals": lambda key: "".join(f"\\u{ord(letter):04X}" for letter in key),
    "JSON, half": lambda key: key[:5] + json_escaped(key[5:]),
    "JSON twice": lambda key: json_escaped(key).replace("\\", "\\\\"),
    "URL": lambda key: "".join(f"%{ord(letter):02X}" for letter in key),
    "URL in small letters": lambda key: "".join(f"%{ord(letter):02x}" for letter in key),
    "URL twice": lambda key: "".join(f"%25{ord(letter):02x}" for letter in key),
    "HTML": lambda key: "".join(f"&#{ord(letter)};" for letter in key),
    "HTML without semicolons": lambda key: "".join(f"&#{ord(letter)}" for letter in key),
    "HTML twice": lambda key: "".join(f"&amp;#{ord(letter)};" for letter in key),
    "HTML three times": lambda key: "".join(f"&amp;#38;#x{ord(letter):x};" for letter in key),
    "HTML in hex": lambda key: "".join(f"&#x{ord(letter):x};" for letter in key),
    "HTML in hex in capitals": lambda key: "".join(f"&#x{ord(letter):X};" for letter in key),
    "JavaScript": lambda key: "".join(f"\\u{{{ord(letter):x}}}" for letter in key),
    "Python": lambda key: "".join(f"\\x{ord(letter):02x}" for letter in key),
    "UTF-16": "\0".join,
    "in capitals": str.upper,
    "in the other case": str.swapcase,
    "in octal": lambda key: "".join(f"\\{ord(letter):03o}" for letter in key),
    "HTML by name": lambda key: key.replace("_", "&lowbar;"),
    "folded": lambda key: f"{key[:9]}\r\n {key[9:]}",
    "folded in JSON": lambda key: f"{key[:9]}\\r\\n{key[9:]}",
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
    "hexadecimal with blanks": lambda key: key.encode().hex(" "),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "hexadecimal with 0x": lambda key: ", 0x".join(f"{ord(letter):02x}" for letter in key),
}


def in_base64(key: str, before: str, behind: str, *, in_urls: bool) -> str:
    """What a header that has the key becomes in base64."""
    encode = base64.urlsafe_b64encode if in_urls else base64.b64encode
    return encode(f"{before}{key}{behind}".encode()).decode()
