"""What the clients of the soak are like: each kind is a dialogue, and says what must come of it."""

import asyncio
import ssl

from client import Cut, Gone

RIGHT, WRONG = b"LOGIN joe sesame", b"LOGIN joe mumble"


def any_certificate():
    """It is renewed meanwhile."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


CONTEXT = any_certificate()


class Visit:
    """One connection, from the client's side."""

    def __init__(self, kind, place, on, source):
        self.kind, self.place, self.on, self.source = kind, place, on, source
        self.connected = self.greeted = self.logged_in = self.refused = False
        self.port = 0
        self.fault = None

    def __str__(self):
        return f"{self.kind} by {self.on} at the {self.place}, {self.source}:{self.port}"


async def greet(client, visit):
    """To where commands can be given, protected or not."""
    if visit.on == "tls":
        await client.handshake(CONTEXT)
    greeting = await client.line()
    if not greeting.startswith(b"* OK "):
        visit.refused = b"Too many connections" in greeting
        raise Gone
    visit.greeted = True
    if visit.on == "starttls":
        if await client.command(b"s STARTTLS") != b"OK":
            raise Gone
        await client.handshake(CONTEXT)


async def log_in(client, visit, tag=b"l"):
    visit.logged_in = await client.command(tag + b" " + RIGHT) == b"OK"


async def leave(client):
    await client.command(b"x LOGOUT")
    await client.read_to_end()


# --- those that must be served to the end

async def right(client, visit, chance):
    await greet(client, visit)
    await log_in(client, visit)
    for number in range(chance.randint(0, 3)):
        assert await client.command(b"n%d NOOP" % number) == b"OK"
    await leave(client)


async def stays(client, visit, chance):
    await greet(client, visit)
    await log_in(client, visit)
    await asyncio.sleep(chance.uniform(0, 10))
    assert await client.command(b"n NOOP") == b"OK"
    await leave(client)


async def mistypes(client, visit, chance):
    await greet(client, visit)
    assert await client.command(b"w " + WRONG) == b"NO"
    await log_in(client, visit)
    await leave(client)


async def guesses(client, visit, chance):
    await greet(client, visit)
    for number in range(3):
        assert await client.command(b"w%d " % number + WRONG) == b"NO"
    await client.read_to_end()


async def looks(client, visit, chance):
    await greet(client, visit)
    for number in range(chance.randint(1, 5)):
        assert await client.command(b"c%d CAPABILITY" % number) == b"OK"
    await leave(client)


# --- those that go as they please, or have to be sent away

async def cut(client, visit, chance):
    """Closes or resets behind any octet of a whole login."""
    client.budget = chance.randint(1, 900 if visit.on in ("tls", "starttls") else 70)
    client.resets = chance.random() < 0.5
    await greet(client, visit)
    await client.command(b"w " + WRONG)
    await log_in(client, visit)
    await leave(client)


async def slow(client, visit, chance):
    """An octet at a time: some are quick enough for the deadline."""
    client.pace = chance.uniform(0.01, 0.1)
    await right(client, visit, chance)


async def idle(client, visit, chance):
    await greet(client, visit)
    if chance.random() < 0.5:
        await asyncio.sleep(chance.uniform(0, 5))
    else:
        await client.read_to_end()


async def mute(client, visit, chance):
    """Says nothing at all, not even a hello, and reads to the end."""
    client.resets = chance.random() < 0.5
    await client.read_to_end()


async def vanishes(client, visit, chance):
    client.resets = True


async def garbage(client, visit, chance):
    if visit.on == "starttls":
        await greet(client, visit)
    try:
        for _ in range(chance.randint(1, 20)):
            await client.send(chance.randbytes(chance.randint(1, 300)) + chance.choice((b"", b"\r\n")))
    except ssl.SSLError:
        pass
    client.sock.shutdown(1)
    await client.read_to_end()


async def hangs_up(client, visit, chance):
    """Half closes in the middle of a command, and reads what there is."""
    await greet(client, visit)
    await client.send(b"a NOOP\r\nb LOG")
    client.sock.shutdown(1)
    await client.read_to_end()


async def never_reads(client, visit, chance):
    """Commands without end, and no answer is taken."""
    await greet(client, visit)
    client.patience = 2
    try:
        for _ in range(200):
            await client.send(b"a CAPABILITY\r\n" * 100)
    except asyncio.TimeoutError:
        pass


async def lingers(client, visit, chance):
    """One of a crowd at one address: has a place for a while, and does not log in."""
    await greet(client, visit)
    assert await client.command(b"n NOOP") == b"OK"
    await asyncio.sleep(chance.uniform(0, 6))
    await leave(client)


# How often each comes; the first five must be served to the end.
SERVED = {right: 10, stays: 5, mistypes: 3, guesses: 3, looks: 3}
OTHERS = {cut: 8, slow: 2, idle: 3, mute: 2, vanishes: 2, garbage: 3, hangs_up: 2, never_reads: 0.2}
KINDS = {**SERVED, **OTHERS}


async def visit(client, seen, dialogue, chance):
    """Runs the dialogue; what is not as it must be is the visit's fault."""
    try:
        await client.connect()
        seen.connected, seen.port = True, client.port
        await dialogue(client, seen, chance)
        served = True
    except (Cut, Gone, ConnectionError, OSError) as why:
        # A timeout is an OSError too.
        served = False
        if isinstance(why, TimeoutError):
            seen.fault = "waits in vain"
        elif not seen.connected:
            seen.fault = repr(why)
    except AssertionError:
        served = False
        seen.fault = "another answer than expected"
    finally:
        client.close()
    if not seen.fault and (dialogue in SERVED or dialogue is lingers) and not served and not seen.refused:
        seen.fault = "was not served to the end"
    if not seen.fault and served and dialogue in (right, stays, mistypes) and not seen.logged_in:
        seen.fault = "could not log in"
