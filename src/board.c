/*
 * The board, see board.h. Run by the listener and by its monitors, as root.
 */

#include "board.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "failures.h"
#include "log.h"
#include "msg.h"
#include "openssl.h"
#include "repeats.h"

/* Counts up with each change of what is shared, for the next version that takes it over. */
#define LAYOUT	6

#define KEY	32

/* Lines of one kind from one network in a minute; fail2ban wants some. */
#define LINES	10

enum state {
	FREE,
	CONNECTED,
	DISMISSED,		/* connected, but never to be logged in */
	LOGGED_IN,
};

struct board_slot {
	_Atomic uint64_t	network;
	_Atomic uint64_t	user;		/* of a session: a number for its account */
	_Atomic uint32_t	state;		/* enum state */
	_Atomic int32_t		pid;		/* 0 until the child is born */
	uint32_t		number;		/* where it is in slots */
};

struct shared {
	uint64_t		layout;
	_Atomic size_t		used;		/* no slot from here on is taken */
	_Atomic unsigned long	accepted, logins, failed, refusals;
	struct board_slot	slots[BOARD_SLOTS];
	struct failures		failures;
	_Atomic unsigned	dropped;	/* lines of the log */
	struct repeats		lines[BOARD_LINES];
	/* By slot: written by its monitor, read by the listener when that has ended. Apart, since tally() reads all slots. */
	struct board_client	clients[BOARD_SLOTS];
	unsigned char		user_key[KEY];	/* makes accounts into numbers; sessions outlive a listener that executes itself anew */
};

/*
 * What each process has of its own, on pages of its own: it can be hidden too.
 *
 * The key makes users and passwords that failed into numbers. A mistyped
 * password is nearly the right one; whoever finds the shared memory, in a core
 * file or on a swap device, can't try words on it without the key, which is
 * kept off both as far as the system lets us, and is lost when this listener
 * ends or executes itself anew.
 */
struct board {
	struct shared	*shared;
	int		 fd;
	unsigned char	 key[KEY];
};

static const char *const limit_names[] = {
	[BOARD_UNLIMITED] = "none",
	[BOARD_MAX_CONNECTIONS] = "max-connections",
	[BOARD_MAX_CONNECTIONS_PER_ADDRESS] = "max-connections-per-address",
	[BOARD_MAX_SESSIONS] = "max-sessions",
	[BOARD_MAX_SESSIONS_PER_ADDRESS] = "max-sessions-per-address",
	[BOARD_MAX_SESSIONS_PER_USER] = "max-sessions-per-user",
	[BOARD_SHUTDOWN] = "shutdown",
};

const char *
board_limit_name(enum board_limit limit)
{
	return limit_names[limit];
}

static uint64_t
number_of(const uint8_t address[NETWORK_ADDRESS])
{
	/* IPv4 has the last half, 0000:ffff and the address: no IPv6 network begins so (RFC 4291, 2.4). */
	const uint8_t *half = network_is_ipv4(address) ? address + 8 : address;
	uint64_t network = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		network = network << 8 | half[i];
	return network != 0 ? network : 1;
}

uint64_t
board_network(const struct options *o, const uint8_t address[NETWORK_ADDRESS])
{
	static const uint8_t none[NETWORK_ADDRESS];

	if (memcmp(address, none, sizeof(none)) == 0 || network_any(o->unlimited, o->unlimiteds, address) ||
	    network_any(o->proxy, o->proxies, address))
		return 0;
	if (o->unlimiteds == 0 && network_is_loopback(address))
		return BOARD_LOCAL;
	return number_of(address);
}

/* The listener's side. */

static struct shared *
map_shared(int fd)
{
	void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void
make_key(unsigned char key[KEY])
{
	if (getrandom(key, KEY, 0) != KEY)
		die("getrandom");
}

/* Its size is sealed: nobody can make it shorter and so kill those who read it. */
static void
make_shared(struct board *b)
{
	b->fd = memfd_create("imapgate-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd == -1 || ftruncate(b->fd, sizeof(struct shared)) == -1 ||
	    fcntl(b->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
		die("board");
	b->shared = map_shared(b->fd);
	if (b->shared == NULL)
		die("board");
	b->shared->layout = LAYOUT;
	make_key(b->shared->user_key);
}

static bool
take_over(struct board *b, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || st.st_size != (off_t)sizeof(struct shared) || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return false;
	b->shared = map_shared(fd);
	if (b->shared == NULL)
		return false;
	if (b->shared->layout != LAYOUT) {
		munmap(b->shared, sizeof(struct shared));
		return false;
	}
	b->fd = fd;
	return true;
}

struct board *
board_open(int fd)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		die("board");
	/* Kept off the disk as far as this system lets us. */
	mlock(b, sizeof(*b));
	madvise(b, sizeof(*b), MADV_DONTDUMP);
	make_key(b->key);
	if (fd == -1 || !take_over(b, fd)) {
		if (fd != -1)
			close(fd);
		make_shared(b);
	}
	log_count_dropped(&b->shared->dropped);
	return b;
}

int
board_fd(const struct board *b)
{
	return b->fd;
}

/* How many there are now, in all, of one network and of one user. */
struct tally {
	unsigned	connections, sessions, own_connections, own_sessions, user_sessions;
};

/* User 0 is nobody. */
static struct tally
tally(const struct shared *s, uint64_t network, uint64_t user)
{
	const struct board_slot *slot, *end = s->slots + s->used;
	struct tally t = { 0 };
	bool own;

	for (slot = s->slots; slot < end; slot++) {
		uint32_t state = slot->state;

		if (state == FREE)
			continue;
		own = slot->network == network;
		if (state == LOGGED_IN) {
			t.sessions++;
			t.own_sessions += own;
			t.user_sessions += slot->user == user;
		} else {
			t.connections++;
			t.own_connections += own;
		}
	}
	return t;
}

static struct board_slot *
find_free(struct shared *s)
{
	size_t i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (s->slots[i].state == FREE)
			return &s->slots[i];
	return NULL;
}

static enum board_limit
refused(struct shared *s, enum board_limit limit)
{
	s->refusals++;
	return limit;
}

/* The limit per address for a network, where this many may come in all. */
static unsigned
limit_of(uint64_t network, unsigned per_address, unsigned all)
{
	return network == BOARD_LOCAL ? all - all / 4 : per_address;
}

enum board_limit
board_admit(struct board *b, const struct options *o, uint64_t network, struct board_seat *seat)
{
	struct shared *s = b->shared;
	struct tally t = tally(s, network, 0);
	struct board_slot *slot = find_free(s);

	if (t.connections >= o->max_connections || slot == NULL)
		return refused(s, BOARD_MAX_CONNECTIONS);
	if (network != 0 && t.own_connections >= limit_of(network, o->max_connections_per_address, o->max_connections))
		return refused(s, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	slot->pid = 0;
	slot->network = network;
	slot->user = 0;
	slot->number = (uint32_t)(slot - s->slots);
	memset(&s->clients[slot->number], 0, sizeof(s->clients[0]));
	slot->state = CONNECTED;
	if (slot >= s->slots + s->used)
		s->used = (size_t)(slot - s->slots) + 1;
	*seat = (struct board_seat){ b, slot };
	return BOARD_UNLIMITED;
}

void
board_enter(const struct board_seat *seat, pid_t pid)
{
	seat->slot->pid = pid;
	seat->board->shared->accepted++;
}

/* Free slots at the end are given back: they need not be looked at again. */
static void
free_slot(struct shared *s, struct board_slot *slot)
{
	slot->state = FREE;
	slot->pid = 0;
	while (s->used > 0 && s->slots[s->used - 1].state == FREE)
		s->used--;
}

void
board_cancel(const struct board_seat *seat)
{
	free_slot(seat->board->shared, seat->slot);
}

bool
board_find(const struct board *b, pid_t pid, struct board_client *client)
{
	const struct shared *s = b->shared;
	const struct board_slot *slot;

	for (slot = s->slots; slot < s->slots + s->used; slot++)
		if (slot->state != FREE && slot->pid == pid) {
			*client = s->clients[slot->number];
			return true;
		}
	memset(client, 0, sizeof(*client));
	return false;
}

void
board_leave(struct board *b, pid_t pid)
{
	struct shared *s = b->shared;
	struct board_slot *slot;

	for (slot = s->slots; slot < s->slots + s->used; slot++)
		if (slot->state != FREE && slot->pid == pid) {
			free_slot(s, slot);
			return;
		}
}

static bool
change(struct board_slot *slot, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong(&slot->state, &from, to);
}

void
board_dismiss(struct board *b)
{
	struct shared *s = b->shared;
	struct board_slot *slot;

	for (slot = s->slots; slot < s->slots + s->used; slot++)
		if (change(slot, CONNECTED, DISMISSED))
			kill(slot->pid, SIGTERM);
}

struct board_counts
board_count(const struct board *b)
{
	const struct shared *s = b->shared;
	struct tally t = tally(s, 0, 0);

	return (struct board_counts){ t.connections, t.sessions, s->accepted, s->logins, s->failed, s->refusals };
}

/* The monitor's side. */

void
board_hide(const struct board_seat *seat)
{
	struct board *b = seat->board;

	if (b == NULL)
		return;
	close(b->fd);
	b->fd = -1;
	if (madvise(b->shared, sizeof(*b->shared), MADV_DONTFORK) == -1 || madvise(b, sizeof(*b), MADV_DONTFORK) == -1)
		die("MADV_DONTFORK");
}

void
board_detach(struct board_seat *seat)
{
	if (seat->board == NULL)
		return;
	log_count_dropped(NULL);
	munmap(seat->board->shared, sizeof(struct shared));
	explicit_bzero(seat->board->key, sizeof(seat->board->key));
	munmap(seat->board, sizeof(*seat->board));
	*seat = (struct board_seat){ NULL, NULL };
}

static struct board_client *
client_of(const struct board_seat *seat)
{
	return &seat->board->shared->clients[seat->slot->number];
}

void
board_describe(const struct board_seat *seat, const char *address)
{
	if (seat->board != NULL)
		snprintf(client_of(seat)->address, sizeof(client_of(seat)->address), "%s", address);
}

/*
 * Two who come at the same time both sit down first and count then, so they
 * may both be refused where one would have fitted, but never both be taken.
 */
enum board_limit
board_move(const struct board_seat *seat, const struct options *o, uint64_t network)
{
	if (seat->board == NULL)
		return BOARD_UNLIMITED;
	seat->slot->network = network;
	if (network != 0 && tally(seat->board->shared, network, 0).own_connections >
	    limit_of(network, o->max_connections_per_address, o->max_connections))
		return refused(seat->board->shared, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	return BOARD_UNLIMITED;
}

/* A number for a user, or for a user with a password; equal numbers are equal words, as far as anybody will ever see. */
static uint64_t
digest(const unsigned char key[KEY], const char *user, const char *secret)
{
	char text[MSG_NAME_MAX + MSG_SECRET_MAX];
	size_t users = strnlen(user, MSG_NAME_MAX - 1), secrets = strnlen(secret, MSG_SECRET_MAX - 1);
	unsigned char mac[EVP_MAX_MD_SIZE];
	uint64_t number;

	openssl_begin();
	memcpy(text, user, users);
	text[users] = '\0';
	memcpy(text + users + 1, secret, secrets);
	if (HMAC(EVP_sha256(), key, KEY, (unsigned char *)text, users + 1 + secrets, mac, NULL) == NULL)
		die("HMAC");
	explicit_bzero(text, sizeof(text));
	memcpy(&number, mac, sizeof(number));
	return number;
}

/* The limit that a new session, which is counted already, is one too many for. */
static enum board_limit
session_limit(const struct shared *s, const struct options *o, const struct board_slot *slot)
{
	struct tally t = tally(s, slot->network, slot->user);

	if (t.sessions > o->max_sessions)
		return BOARD_MAX_SESSIONS;
	if (slot->network != 0 && t.own_sessions > limit_of(slot->network, o->max_sessions_per_address, o->max_sessions))
		return BOARD_MAX_SESSIONS_PER_ADDRESS;
	return t.user_sessions > o->max_sessions_per_user ? BOARD_MAX_SESSIONS_PER_USER : BOARD_UNLIMITED;
}

enum board_limit
board_log_in(const struct board_seat *seat, const struct options *o, const char *user, const char *account)
{
	struct board_slot *slot = seat->slot;
	enum board_limit limit;
	struct shared *s;

	if (seat->board == NULL)
		return BOARD_UNLIMITED;
	s = seat->board->shared;
	if (failures_any(&s->failures, slot->network))
		failures_forgive(&s->failures, slot->network, digest(seat->board->key, user, ""));
	/* 0 is for those who are nobody yet. */
	slot->user = digest(s->user_key, account, "") | 1;
	if (!change(slot, CONNECTED, LOGGED_IN))
		return BOARD_SHUTDOWN;
	limit = session_limit(s, o, slot);
	if (limit == BOARD_UNLIMITED) {
		s->logins++;
		snprintf(client_of(seat)->user, sizeof(client_of(seat)->user), "%s", account);
		client_of(seat)->began = clock_ms();
		return BOARD_UNLIMITED;
	}
	slot->state = CONNECTED;
	return refused(s, limit);
}

unsigned
board_failed(const struct board_seat *seat, const char *user, const char *secret, int64_t now)
{
	struct failure failure;

	if (seat->board == NULL)
		return 0;
	seat->board->shared->failed++;
	if (seat->slot->network == 0 || seat->slot->network == BOARD_LOCAL)
		return 0;
	failure = (struct failure){ seat->slot->network, digest(seat->board->key, user, ""), digest(seat->board->key, user, secret) };
	return failures_note(&seat->board->shared->failures, &failure, now);
}

unsigned
board_count_line(const struct board_seat *seat, enum board_line line, const uint8_t address[NETWORK_ADDRESS])
{
	if (seat->board == NULL)
		return 1;
	return repeats_count(&seat->board->shared->lines[line], number_of(address), LINES, clock_ms());
}
