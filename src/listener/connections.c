/*
 * The table of connections, see connections.h. Run by the listener, as root; reads nothing that a
 * client sends.
 */

#include "listener/connections.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "listener/failures.h"
#include "listener/repeats.h"

/*
 * Raise this number whenever the table or a message changes: a new program discards a table of
 * another layout.
 */
#define LAYOUT	11

/* Lines of one kind from one network in a minute. More than one: fail2ban counts them. */
#define LINES_A_MINUTE	10

enum state {
	FREE,
	CONNECTED,
	SHUT_DOWN,		/* connected; its login will be refused */
	LOGGED_IN,
	LEAVING,		/* the session has ended, but a process still runs */
};

/* The part of a connection that is searched and counted. */
struct place {
	uint64_t	network;
	uint64_t	account;	/* LOGGED_IN: number of the account; else 0 */
	enum state	state;
	pid_t		gate, monitor;	/* 0: not running */
};

/*
 * Key of the HMAC that turns failed users and passwords into numbers.
 *
 * SECURITY: a mistyped password is nearly the right one. Without the key, a copy of the table
 * (core file, swap) can't be searched for passwords. The key is kept out of core files and, where
 * mlock(2) works, out of swap. A new key is made whenever a listener starts or executes itself.
 */
static uint8_t *failure_key;

static struct table {
	uint64_t		layout, size;
	uint32_t		used;		/* every slot from here on is free */
	uint32_t		serials;
	struct connections_count count;		/* waiting and sessions: not maintained */
	struct place		places[CONNECTIONS_MAX];
	struct failures		failures;
	struct repeats		lines[LINES];
	/* Key for accounts, kept across a re-execution as sessions are. */
	uint8_t			account_key[MSG_KEY_SIZE];
	struct connection	connections[CONNECTIONS_MAX];
} *t;
static int table_fd = -1;

static uint64_t
network_number(const uint8_t address[NETWORK_ADDRESS_LEN])
{
	/*
	 * Uses the second half of an IPv4 address, 0000:ffff and four octets. No IPv6 network
	 * begins so (RFC 4291, 2.4).
	 */
	const uint8_t *half = network_is_ipv4(address) ? address + 8 : address;
	uint64_t network = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		network = network << 8 | half[i];
	return network != 0 ? network : 1;
}

uint64_t
connections_network(const struct options *o, const uint8_t address[NETWORK_ADDRESS_LEN])
{
	static const uint8_t none[NETWORK_ADDRESS_LEN];

	if (memcmp(address, none, sizeof(none)) == 0 || network_list_contains(o->unlimited, o->n_unlimited, address) ||
	    network_list_contains(o->proxy, o->n_proxy, address))
		return 0;
	if (o->n_unlimited == 0 && network_is_loopback(address))
		return NETWORK_LOCAL;
	return network_number(address);
}

uint64_t
connections_network_of(const struct options *o, const struct sockaddr_storage *from)
{
	uint8_t address[NETWORK_ADDRESS_LEN];

	if (from->ss_family == AF_INET)
		network_from_ipv4(address, (const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr);
	else if (from->ss_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof(address));
	else
		return o->proxy_unix ? 0 : NETWORK_LOCAL;
	return connections_network(o, address);
}

/* --- creating the table, or restoring it */

static void
make_key(uint8_t key[MSG_KEY_SIZE])
{
	if (getrandom(key, MSG_KEY_SIZE, 0) != MSG_KEY_SIZE)
		die("getrandom");
}

/* Maps the table. SECURITY: no child inherits it, whatever program the child becomes. */
static struct table *
map_table(int fd)
{
	void *at = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, sizeof(struct table), MADV_DONTFORK) == -1)
		die("MADV_DONTFORK");
	return at;
}

/* Seals the size: no process can truncate the memory and so kill its readers (memfd_create(2)). */
static void
create_table(void)
{
	table_fd = memfd_create("imapgate-connections", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (table_fd == -1 || ftruncate(table_fd, sizeof(struct table)) == -1 ||
	    fcntl(table_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
		die("table of connections");
	t = map_table(table_fd);
	if (t == NULL)
		die("table of connections");
	t->layout = LAYOUT;
	t->size = sizeof(struct table);
	make_key(t->account_key);
}

static bool
restore_table(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || st.st_size != (off_t)sizeof(struct table) || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return false;
	t = map_table(fd);
	if (t == NULL)
		return false;
	if (t->layout != LAYOUT || t->size != sizeof(struct table)) {
		munmap(t, sizeof(struct table));
		return false;
	}
	table_fd = fd;
	return true;
}

bool
connections_open(int fd)
{
	bool restored;

	failure_key = mmap(NULL, MSG_KEY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (failure_key == MAP_FAILED || madvise(failure_key, MSG_KEY_SIZE, MADV_DONTFORK) == -1)
		die("table of connections");
	/* Both may fail (RLIMIT_MEMLOCK): the key is then as safe as other memory. */
	mlock(failure_key, MSG_KEY_SIZE);
	madvise(failure_key, MSG_KEY_SIZE, MADV_DONTDUMP);
	make_key(failure_key);
	restored = fd != -1 && restore_table(fd);
	if (!restored)
		create_table();
	else
		connections_keep_on_exec(false);
	return restored || fd == -1;
}

int
connections_fd(void)
{
	return table_fd;
}

void
connections_keep_on_exec(bool keep)
{
	uint32_t slot;
	size_t i;

	for (slot = 0; slot < t->used; slot++) {
		const struct connection *c = &t->connections[slot];
		const int fds[] = { c->client, c->login, c->account };

		for (i = 0; t->places[slot].state != FREE && i < 3; i++)
			if (fds[i] != -1)
				fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
	}
}

void
connections_keys(uint8_t failures[MSG_KEY_SIZE], uint8_t accounts[MSG_KEY_SIZE])
{
	memcpy(failures, failure_key, MSG_KEY_SIZE);
	memcpy(accounts, t->account_key, MSG_KEY_SIZE);
}

/* --- counting */

/* Connections and sessions: of all, of one network, of one account. */
struct tally {
	unsigned	waiting, sessions, own_waiting, own_sessions, account_sessions;
};

/* Counts the table at each call, so that no counter can drift. Account 0 matches no session. */
static struct tally
count_connections(uint64_t network, uint64_t account)
{
	const struct place *p, *end = t->places + t->used;
	struct tally n = { 0 };
	bool own;

	for (p = t->places; p < end; p++) {
		own = p->network == network;
		if (p->state == LOGGED_IN) {
			n.sessions++;
			n.own_sessions += own;
			n.account_sessions += p->account == account;
		} else if (p->state == CONNECTED || p->state == SHUT_DOWN) {
			n.waiting++;
			n.own_waiting += own;
		}
	}
	return n;
}

struct connections_count
connections_count(void)
{
	struct tally n = count_connections(0, 0);
	struct connections_count count = t->count;

	count.waiting = n.waiting;
	count.sessions = n.sessions;
	return count;
}

static enum msg_limit
count_refusal(enum msg_limit limit)
{
	t->count.refusals++;
	return limit;
}

/* Returns a network's limit; all is the limit for all networks together. */
static unsigned
network_limit(uint64_t network, unsigned per_address, unsigned all)
{
	return network == NETWORK_LOCAL ? all - all / 4 : per_address;
}

static uint32_t
find_free_slot(void)
{
	uint32_t slot;

	for (slot = 0; slot < t->used; slot++)
		if (t->places[slot].state == FREE)
			break;
	return slot;
}

enum msg_limit
connections_reserve(const struct options *o, uint64_t network, struct connection **connection)
{
	struct tally n = count_connections(network, 0);
	uint32_t slot = find_free_slot();
	struct connection *c;

	if (n.waiting >= o->max_connections || slot == CONNECTIONS_MAX)
		return count_refusal(LIMIT_MAX_CONNECTIONS);
	if (network != 0 && n.own_waiting >= network_limit(network, o->max_connections_per_address, o->max_connections))
		return count_refusal(LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	if (slot >= t->used)
		t->used = slot + 1;
	t->places[slot] = (struct place){ network, 0, CONNECTED, 0, 0 };
	c = &t->connections[slot];
	memset(c, 0, sizeof(*c));
	c->slot = slot;
	c->serial = ++t->serials;
	c->client = c->login = c->account = -1;
	t->count.accepted++;
	*connection = c;
	return LIMIT_NONE;
}

enum msg_limit
connections_set_network(const struct connection *c, const struct options *o, uint64_t network)
{
	t->places[c->slot].network = network;
	if (network != 0 && count_connections(network, 0).own_waiting > network_limit(network, o->max_connections_per_address, o->max_connections))
		return count_refusal(LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	return LIMIT_NONE;
}

/* Returns the limit that one more session would exceed, LIMIT_NONE if there is none. */
static enum msg_limit
session_limit(const struct options *o, const struct place *p, uint64_t account)
{
	struct tally n = count_connections(p->network, account);

	if (n.sessions >= o->max_sessions)
		return LIMIT_MAX_SESSIONS;
	if (p->network != 0 && n.own_sessions >= network_limit(p->network, o->max_sessions_per_address, o->max_sessions))
		return LIMIT_MAX_SESSIONS_PER_ADDRESS;
	return n.account_sessions >= o->max_sessions_per_user ? LIMIT_MAX_SESSIONS_PER_USER : LIMIT_NONE;
}

enum msg_limit
connections_log_in(struct connection *c, const struct options *o, const struct msg_logged_in *login)
{
	struct place *p = &t->places[c->slot];
	/* 0 means no account. */
	uint64_t account = login->account | 1;
	enum msg_limit limit;

	if (failures_has_network(&t->failures, p->network))
		failures_forgive(&t->failures, p->network, login->user);
	if (p->state != CONNECTED)
		return LIMIT_SHUTDOWN;
	limit = session_limit(o, p, account);
	if (limit != LIMIT_NONE)
		return count_refusal(limit);
	p->state = LOGGED_IN;
	p->account = account;
	c->began = clock_ms();
	memcpy(c->name, login->name, sizeof(c->name));
	t->count.logins++;
	return LIMIT_NONE;
}

unsigned
connections_failed(const struct connection *c, const struct msg_failed *failed)
{
	uint64_t network = t->places[c->slot].network;
	struct failure failure = { network, failed->user, failed->attempt };

	t->count.failures++;
	if (network == 0 || network == NETWORK_LOCAL)
		return 0;
	return failures_add(&t->failures, &failure, failed->when);
}

void
connections_shut_down(const struct connection *c)
{
	if (t->places[c->slot].state == CONNECTED)
		t->places[c->slot].state = SHUT_DOWN;
}

bool
connections_is_shut_down(const struct connection *c)
{
	return t->places[c->slot].state == SHUT_DOWN;
}

bool
connections_is_session(const struct connection *c)
{
	return t->places[c->slot].state == LOGGED_IN;
}

void
connections_end_session(const struct connection *c)
{
	t->places[c->slot].state = LEAVING;
}

void
connections_release(struct connection *c)
{
	t->places[c->slot].state = FREE;
	while (t->used > 0 && t->places[t->used - 1].state == FREE)
		t->used--;
}

struct connection *
connections_at(uint32_t slot)
{
	return slot < t->used && t->places[slot].state != FREE ? &t->connections[slot] : NULL;
}

struct connection *
connections_find(uint32_t slot, uint32_t serial)
{
	struct connection *c = connections_at(slot);

	return c != NULL && c->serial == serial ? c : NULL;
}

void
connections_set_pid(struct connection *c, struct connection_process *child, pid_t pid)
{
	*(child == &c->gate ? &t->places[c->slot].gate : &t->places[c->slot].monitor) = pid;
	child->state = CHILD_RUNNING;
	child->pid = pid;
}

bool
connections_has_pid(pid_t pid)
{
	const struct place *p, *end = t->places + t->used;

	for (p = t->places; p < end; p++)
		if (p->gate == pid || p->monitor == pid)
			return true;
	return false;
}

struct connection_process *
connections_set_ended(pid_t pid, int status, struct connection **c)
{
	struct connection_process *child;
	uint32_t slot;

	for (slot = 0; slot < t->used; slot++) {
		struct place *p = &t->places[slot];

		if (p->gate != pid && p->monitor != pid)
			continue;
		*c = &t->connections[slot];
		child = p->gate == pid ? &(*c)->gate : &(*c)->monitor;
		*(p->gate == pid ? &p->gate : &p->monitor) = 0;
		*child = (struct connection_process){ CHILD_ENDED, pid, status };
		return child;
	}
	return NULL;
}

uint32_t
connections_end(void)
{
	return t->used;
}

unsigned
connections_count_line(const struct connection *c, enum connections_line line)
{
	return repeats_count(&t->lines[line], network_number(c->peer.address), LINES_A_MINUTE, clock_ms());
}
