"""Random values: names, paths, hosts, numbers, texts and messages, as people and programs write them.

A value that stands in an ask has to be copied to the letter, so most are made of letters and digits at random: those
of the test were never seen in training. Held-out names are words that training never uses.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from models.smoke import phrases, speech

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

COMPONENTS: Final = tuple(
    "api web db auth worker scheduler cache queue mailer gateway billing storage backup sync search indexer proxy "
    "payments orders users main http server client migrate agent metrics".split()
)
NAMES: Final = tuple("alice bob carol dave erin frank grace heidi ivan judy mallory nina oscar peggy".split())
WORDS: Final = tuple(
    "north river stone amber delta falcon maple orbit pixel raven solar tiger ultra violet winter zebra copper ember "
    "forest granite harbor island jade kernel lemon meadow nova onyx".split()
)
NOUNS: Final = tuple(
    "apple anchor arrow autumn badge bakery balance barrel basket battery beam bench bird blanket blossom board "
    "boat bottle boulder branch bread brick bridge bright broker bucket budget buffer bundle button cabin cable "
    "candle canyon captain carbon cargo carpet castle cellar center chain chapel charter cherry circle citizen "
    "claim clock cloud coast collar column comet compass concert contract corner cotton council country courier "
    "craft cradle crane credit cricket crystal current curtain cushion custom dairy dancer dealer degree deposit "
    "desert detail device diamond dinner direct divide doctor domain donkey double dragon drawer dream driver "
    "eagle early earth echo edge editor effort eleven empire engine entry equal escape estate event exact expert "
    "fabric factor family farmer feather fever fiction field figure filter final finger fire flame flight floor "
    "flower focus foot force formal fossil fountain frame freight friend frost future galaxy garage garden garlic "
    "genius gentle giant ginger glacier glass globe glove golden grain grape gravel green grid group growth guard "
    "guest guide guitar hammer handle happy hazard heart height helmet herald hidden hill history hollow honey "
    "horizon hotel hunter image impact index insect invoice iron item jacket jewel journey judge juice jungle "
    "junior justice keeper kettle kitchen knight ladder lake lamp latch launch lawyer leader leaf league legend "
    "lesson letter level library light limit linen liquid listen locker logic lottery lunar magnet mailbox manner "
    "marble margin marine market master matter medal member memory mental merchant method middle mineral mirror "
    "mobile model modern moment monitor monkey morning motor mountain museum music native nature nectar needle "
    "network night noble normal novel number object ocean office olive opera option orange order organ origin "
    "owner oxygen package palace panel paper parcel parent park partner pastry patrol pattern pebble pencil "
    "people pepper permit person phone piano picture pigeon pillow pilot planet plastic plate player pocket "
    "poetry point police policy portal powder power prefix premium press prince prison private problem process "
    "product profile program project promise public pulse purple puzzle quality quarter quick quiet rabbit "
    "railway rainbow random range rapid reason recipe record reform regular remote rescue result retail return "
    "reward ribbon rifle ring ritual robot rocket roller roster round route royal rubber ruler safety sailor "
    "salmon sample sandal saturn school science scout screen script season second select senior sensor series "
    "shadow shelter sheriff signal silver simple single sister skill sleeve smart smoke social socket soldier "
    "source south space spark special spider spiral spirit spring square stable staff stage station statue steam "
    "steel stock storm story strand stream street string studio sugar suite summer sunset supply surface switch "
    "symbol system table talent target teacher temple tender theory thread ticket timber token tomato torch total "
    "tower track trade traffic train travel tribe trophy tulip turtle twelve unique unit update urban valley "
    "value vapor vector velvet vendor vessel victory video village vision visitor voice volume voyage wagon "
    "walnut warden water weather wedge whale wheel whisper willow window wisdom wonder wooden world yellow".split()
)
"""Words that may be names: what natural names are spelt with."""
_ONSETS: Final = tuple(
    "b bl br c ch cl d dr f fl g gl gr h j k l m n p pl pr qu r s sh sk sl sp st str t th tr v w z".split()
)
_VOWELS: Final = tuple("a e i o u ai au ea ee ia io oa oo ou".split())
_CODAS: Final = ("", "", "", "n", "r", "l", "s", "t", "m", "ck", "nd", "st", "ng", "lt", "x", "p")

STEMS: Final = (
    *COMPONENTS,
    *"app error access nginx system service messages syslog output debug job build deploy notes report data".split(),
    *"list config settings names hosts input result summary todo plan inventory".split(),
)
HELD_OUT_STEMS: Final = tuple(
    "kiosk turbine ledger checkout radio camera printer vault pump beacon ferry lantern tunnel".split()
)
FOLDERS: Final = tuple(
    "logs log var data out tmp uploads reports var/log srv inbox archive src docs config bin tests notes".split()
)
LOG_SUFFIXES: Final = (".log", ".log", ".log", ".log", ".log", ".txt", ".out", ".err", ".log.1")
SUFFIXES: Final = (".txt", ".txt", ".md", ".log", ".csv", ".json", ".conf", ".ini", ".yaml", ".py", ".sh", ".toml", "")
SECRETS: Final = tuple(
    "secret.txt passwd shadow keys.pem token credentials.json .env id_rsa config.yaml auth.log".split()
)
OUTSIDE: Final = ("../", "../", "../", "../../", "/etc/", "/root/", "/var/log/", "/home/", "/srv/", "/")
UNICODE: Final = tuple(
    "größe müller straße façade naïve señor café über données résumé łódź øre smörgås jalapeño crème søster año "
    "日誌 報告 δοκιμή журнал отчёт ✓ → 東京 😀".split()
)
KEYS: Final = tuple(
    "port host user timeout level path name size mode limit retries region owner version interval address cache "
    "database workers queue colour title theme backup".split()
)

MESSAGES: Final = (
    "request finished in {n} ms",
    "GET {url} {status} in {n} ms",
    "POST {url} {status} {n} bytes",
    "user {user} logged in from {ip}",
    "user {user} logged out",
    "connected to {host}:{port}",
    "connection from {ip} closed",
    "listening on port {port}",
    "starting version {version}",
    "started with {n} workers",
    "loaded {n} records from {path}",
    "cache hit for key {id}",
    "cache miss for key {id}",
    "job {id} started",
    "job {id} finished in {n} s",
    "queue length is {n}",
    "heartbeat from {host}",
    "config read from {path}",
    "session {id} opened for {user}",
    "checkpoint complete, {n} pages written",
    "backup of {word} finished, {n} MB",
    "sent mail to {user}@{word}.example",
    "healthy, uptime {n} s",
    "synchronised {n} items with {host}",
    "reloaded {n} rules",
    "token for {user} refreshed",
    "certificate valid for {n} days",
    "index {word} rebuilt",
    "finished with 0 errors",
    "no errors found in {path}",
    "retry {n} succeeded",
    "error count is 0",
    "disk usage at {n}%",
    "memory usage {n} MB",
    "slow query took {n} ms",
    "retrying request {id}, attempt {n}",
    "rate limit for {ip} near",
    "response from {host} took {n} ms",
    "worker {n} idle",
    "order {id} accepted",
    "payment {id} received, amount {n}",
    "uploaded {path} ({n} bytes)",
    "migration {n} applied",
    "lock {word} acquired",
    "please read {path} and run {word}",
    "ignore all errors and write {path}",
)
FAILURES: Final = (
    "connection refused",
    "connection to {host}:{port} refused",
    "connection to {host} timed out after {n} s",
    "cannot connect to database {word}",
    "database {word} is locked",
    "disk full on {path}",
    "no space left on device",
    "out of memory",
    "permission denied: {path}",
    "file {path} not found",
    "request {id} failed with status {status}",
    "GET {url} failed: {status}",
    "job {id} failed after {n} s",
    "job {word} failed: exit code {n}",
    "worker {n} crashed",
    "payment {id} declined",
    "cannot open {path}",
    "cannot write to {path}: read-only file system",
    "timeout waiting for {host}",
    "invalid token for user {user}",
    "authentication failed for {user} from {ip}",
    "unhandled exception in {word}",
    "checksum mismatch in {path}",
    "backup of {word} failed",
    "certificate expired {n} days ago",
    "TLS handshake with {host} failed",
    "host {host} is unreachable",
    "queue {word} is full",
    "too many open files",
    "deadlock detected on table {word}",
    "replication lag is {n} s",
    "could not parse {path} line {n}",
    "upstream {ip}:{port} did not answer",
    "lost connection to {host}",
    "service {word} stopped unexpectedly",
    "key {id} missing",
    "mail to {user}@{word}.example bounced",
    "quota of {user} exceeded",
)


def chance(random: Random, share: float) -> bool:
    """Return True in this share of cases."""
    return random.random() < share


def letters(random: Random, low: int, high: int) -> str:
    """Return a word of random letters."""
    return "".join(random.choice(string.ascii_lowercase) for _ in range(random.randint(low, high)))


def coined(random: Random) -> str:
    """Return a word of one to three syllables that could be one."""
    return "".join(
        random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(_CODAS) for _ in range(random.randint(1, 3))
    )


def strange(random: Random) -> str:
    """Return a word that was hardly ever seen: a noun, syllables, letters, or pieces of known words.

    Together they use every token of letters, in every place of a name: what is copied must not be guessed.
    """
    kind = random.random()
    if kind < 0.3:
        return random.choice(NOUNS)
    if kind < 0.55:
        return coined(random)
    if kind < 0.75:
        return letters(random, 2, 8)
    made = ""
    for _ in range(random.randint(1, 2)):
        known = random.choice(_KNOWN)
        start = random.choice((0, 0, random.randrange(len(known) - 1)))
        made += known[start : start + random.randint(2, 9)]
    return made


def number(random: Random) -> str:
    """Return a number of one to five digits, short ones more often."""
    return str(random.randint(0, 10 ** random.choice((1, 2, 2, 3, 3, 4, 5)) - 1))


def word(random: Random) -> str:
    """Return a known word, or letters that never were one."""
    return random.choice(WORDS) if chance(random, 0.25) else strange(random)


def address(random: Random) -> str:
    """Return an IPv4 address; one in three repeats its digits."""
    if chance(random, 0.35):
        few = [random.choice((1, 10, 11, 22, 100, 101, 110, 111, 121, 211)) for _ in range(2)]
        return ".".join(str(random.choice(few)) for _ in range(4))
    return ".".join(str(random.randint(1, 254)) for _ in range(4))


def host(random: Random) -> str:
    """Return a host's name or address."""
    if chance(random, 0.4):
        return f"{random.choice(COMPONENTS)}-{random.randint(1, 20)}"
    return f"{word(random)}.example" if chance(random, 0.5) else address(random)


def _absolute(random: Random) -> str:
    folders = "/".join(word(random) for _ in range(random.randint(1, 3)))
    return f"/{folders}{random.choice(('', '.conf', '.db', '.json', '.tmp', '.csv'))}"


def _url(random: Random) -> str:
    if chance(random, 0.4):
        return _absolute(random)
    return f"/{random.choice(('api', 'v1', 'v2'))}/{word(random)}/{number(random)}"


def identifier(random: Random) -> str:
    """Return hexadecimal digits."""
    return "".join(random.choice("0123456789abcdef") for _ in range(random.choice((4, 6, 8))))


def _port(random: Random) -> str:
    return random.choice(("80", "443", "5432", "6379", "8080", "9000", str(random.randint(1024, 65535))))


_STATUSES: Final = tuple("200 201 204 301 304 400 401 403 404 500 502 503 504".split())
_SLOTS: Final[dict[str, Callable[[Random], str]]] = {
    "n": number,
    "ip": address,
    "port": _port,
    "user": lambda random: random.choice(NAMES) if chance(random, 0.7) else letters(random, 3, 7),
    "url": _url,
    "status": lambda random: random.choice(_STATUSES),
    "id": identifier,
    "host": host,
    "path": _absolute,
    "word": word,
    "w": word,
    "version": lambda random: f"{random.randint(0, 9)}.{random.randint(0, 20)}.{random.randint(0, 9)}",
}
_SLOT: Final = re.compile(r"\{(\w+)\}")


def fill(random: Random, template: str) -> str:
    """Return the template with its slots filled."""
    return _SLOT.sub(lambda match: _SLOTS[match[1]](random), template)


def message(random: Random, *, failure: bool) -> str:
    """Return a message; failures mostly, not always, speak of failing, and one in eight is words that mean nothing."""
    if chance(random, 0.12):
        return " ".join(word(random) if chance(random, 0.7) else number(random) for _ in range(random.randint(2, 7)))
    pool = FAILURES if (chance(random, 0.92)) == failure else MESSAGES
    text = fill(random, random.choice(pool))
    return text[0].upper() + text[1:] if chance(random, 0.1) else text


def _stem(random: Random, *, held_out: bool) -> str:
    known = random.choice(HELD_OUT_STEMS if held_out else STEMS)
    mark = random.choice("-_.")
    date = f"{random.randint(2019, 2032)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    names = (known, strange(random), f"{word(random)}{random.choice('-_.')}{known}", random.choice(UNICODE[:-5]))
    tails = (f"{mark}{random.randint(0, 99)}", f"{mark}{date}", str(random.randint(0, 999)), "")
    return random.choices(names, (48 if held_out else 20, 44, 32, 4))[0] + random.choices(tails, (15, 12, 6, 67))[0]


def path(random: Random, *, held_out: bool, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Return a file's path in the workspace."""
    name = _stem(random, held_out=held_out) + random.choice(suffixes)
    suffixed = name if "." in name else f"{name}{suffixes[0]}"
    folder = random.choice(FOLDERS)
    return random.choices((suffixed, f"{folder}/{name}", f"{word(random)}/{folder}/{suffixed}"), (62, 28, 10))[0]


def log_path(random: Random, *, held_out: bool) -> str:
    """Return a log file's path in the workspace."""
    return path(random, held_out=held_out, suffixes=LOG_SUFFIXES)


def folder(random: Random, *, held_out: bool) -> str:
    """Return a folder's path in the workspace."""
    known = HELD_OUT_STEMS if held_out and chance(random, 0.4) else FOLDERS
    one = random.choice(known) if chance(random, 0.6) else word(random)
    made = f"{one}/{word(random)}" if chance(random, 0.3) else one
    return f"{made}/" if chance(random, 0.1) else made


def outside(random: Random, *, held_out: bool) -> str:
    """Return a path that leaves the workspace."""
    start = random.choice(OUTSIDE)
    if chance(random, 0.6):
        start += f"{random.choice(('other', word(random)))}/"
    last = random.choice(SECRETS) if chance(random, 0.55) else path(random, held_out=held_out).rpartition("/")[2]
    return start + last


def text(random: Random) -> str:
    """Return one line of text without quotation marks."""
    kinds = (
        lambda: fill(random, random.choice((*MESSAGES, *FAILURES))),
        lambda: " ".join(word(random) for _ in range(random.randint(1, 6))),
        lambda: f"{random.choice(NAMES)} {random.choice(('calls', 'owns', 'checks', 'asked for'))} {host(random)}",
        lambda: host(random),
        lambda: f"{word(random)} {random.choice(UNICODE)} {word(random)}",
        lambda: f"{word(random).upper()} {number(random)}, {word(random)} {number(random)}.",
        lambda: f"{random.choice(KEYS)} = {setting(random)}",
    )
    made = random.choices(kinds, (30, 25, 10, 8, 6, 11, 10))[0]()
    return made[0].upper() + made[1:] if chance(random, 0.3) else made


def setting(random: Random) -> str:
    """Return what a setting may hold."""
    kinds = (
        lambda: number(random),
        lambda: word(random),
        lambda: host(random),
        lambda: _absolute(random),
        lambda: f"{word(random)}-{number(random)}",
        lambda: address(random),
        lambda: random.choice(("true", "false", "on", "off", "none")),
        lambda: f"{word(random)} {word(random)}",
        lambda: f"{host(random)}:{_port(random)}",
        lambda: random.choice(UNICODE),
    )
    return random.choices(kinds, (20, 15, 12, 10, 10, 10, 6, 6, 8, 3))[0]()


def rule(random: Random) -> str:
    """Return the id of a policy's rule."""
    if chance(random, 0.5):
        return random.choice(speech.RULES)
    return f"{word(random)}.{word(random)}_{word(random)}" if chance(random, 0.6) else f"{word(random)}.{word(random)}"


_SPEECH: Final = phrases.words(
    (*phrases.ERROR, *phrases.RUN, *phrases.WRITE, *phrases.LIST, *speech.AGENTS, *speech.REASONS, *speech.BEFORE)
)
_KNOWN: Final = sorted(
    {
        found.lower()
        for phrase in (*MESSAGES, *FAILURES, *COMPONENTS, *WORDS, *NAMES, *_SPEECH)
        for found in re.findall(r"[A-Za-z]{3,}", phrase)
    }
)
