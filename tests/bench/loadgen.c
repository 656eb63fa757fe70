/*
 * The load of the benchmark: clients that log in and out again and again, or
 * that log in and stay. Each client is a process of its own that waits for
 * each answer, so a dialogue reads here as it goes over the wire. What they
 * find out is in memory that they share, and printed as one line of JSON.
 *
 *   loadgen load PORT plain|starttls|tls USER PASSWORD CLIENTS SECONDS
 *   loadgen hold PORT plain|starttls|tls USER PASSWORD CLIENTS CONNECTIONS greeted|authenticated
 *
 * With hold the connections are kept until standard input ends.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What one client can count; at 5 ms each that is 80 seconds. */
#define SAMPLES		16384

/* No answer of a server that works takes so long. */
#define PATIENCE_S	60

enum security { PLAIN, STARTTLS, TLS };

struct work {
	uint16_t	 port;
	enum security	 security;
	const char	*user, *password;
	unsigned	 clients;
	unsigned	 seconds;		/* load: how long */
	unsigned	 connections;		/* hold: how many by all clients */
	bool		 greeted;		/* hold: without logging in */
	SSL_CTX		*tls;
};

/* By each client. */
struct result {
	unsigned	logins, errors;
	unsigned	latency_us[SAMPLES];	/* from connecting to the tagged OK */
	unsigned	greeting_us[SAMPLES];	/* from connecting to the greeting */
};

struct connection {
	int	fd;
	SSL	*ssl;
	size_t	len;
	char	buffer[4096];	/* what was read and is not yet a line */
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void __attribute__((noreturn))
fail(const char *text)
{
	perror(text);
	exit(1);
}

/* --- one connection */

static bool
dial(struct connection *c, const struct work *w)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct timeval patience = { PATIENCE_S, 0 };
	int on = 1;

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		fail("socket");
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
}

static bool
start_tls(struct connection *c, const struct work *w)
{
	c->ssl = SSL_new(w->tls);
	return c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_connect(c->ssl) == 1;
}

static void
hang_up(struct connection *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

static int
receive(struct connection *c, char *to, size_t size)
{
	return c->ssl != NULL ? SSL_read(c->ssl, to, (int)size) : (int)recv(c->fd, to, size, 0);
}

static bool __attribute__((format(printf, 2, 3)))
say(struct connection *c, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return (c->ssl != NULL ? SSL_write(c->ssl, line, len) : (int)send(c->fd, line, (size_t)len, MSG_NOSIGNAL)) == len;
}

/* Reads lines until one begins so. Others that are tagged, and the end, are a failure. */
static bool
expect(struct connection *c, const char *start)
{
	char *end;
	bool wanted, untagged;
	int n;

	for (;;) {
		while ((end = memchr(c->buffer, '\n', c->len)) == NULL) {
			n = c->len < sizeof(c->buffer) ? receive(c, c->buffer + c->len, sizeof(c->buffer) - c->len) : 0;
			if (n <= 0)
				return false;
			c->len += (size_t)n;
		}
		wanted = strncmp(c->buffer, start, strlen(start)) == 0;
		untagged = c->buffer[0] == '*';
		c->len -= (size_t)(end + 1 - c->buffer);
		memmove(c->buffer, end + 1, c->len);
		if (wanted || !untagged)
			return wanted;
	}
}

static bool
until_greeting(struct connection *c, const struct work *w)
{
	return dial(c, w) && (w->security != TLS || start_tls(c, w)) && expect(c, "* OK");
}

static bool
until_login(struct connection *c, const struct work *w)
{
	if (w->security == STARTTLS && !(say(c, "s STARTTLS\r\n") && expect(c, "s OK") && start_tls(c, w)))
		return false;
	return say(c, "a LOGIN %s %s\r\n", w->user, w->password) && expect(c, "a OK");
}

static void
until_end(struct connection *c)
{
	char rest[512];

	say(c, "z LOGOUT\r\n");
	while (receive(c, rest, sizeof(rest)) > 0)
		;
}

/* --- clients */

static void
load(const struct work *w, struct result *r)
{
	uint64_t end = now_us() + (uint64_t)w->seconds * 1000000, began, greeted;
	struct connection c;

	while ((began = now_us()) < end && r->logins < SAMPLES) {
		if (until_greeting(&c, w) && (greeted = now_us()) > 0 && until_login(&c, w)) {
			r->greeting_us[r->logins] = (unsigned)(greeted - began);
			r->latency_us[r->logins++] = (unsigned)(now_us() - began);
			until_end(&c);
		} else {
			r->errors++;
		}
		hang_up(&c);
	}
}

static void
hold(const struct work *w, unsigned connections, struct result *r)
{
	struct connection *c = calloc(connections + 1, sizeof(*c));
	unsigned i;

	if (c == NULL)
		fail("memory");
	for (i = 0; i < connections; i++) {
		bool held = until_greeting(&c[i], w);

		/* Where it has to be TLS, it is TLS that is to be held. */
		if (held && w->greeted && w->security == STARTTLS)
			held = say(&c[i], "s STARTTLS\r\n") && expect(&c[i], "s OK") && start_tls(&c[i], w);
		else if (held && !w->greeted)
			held = until_login(&c[i], w);
		r->logins += held;
		r->errors += !held;
	}
}

static int
by_size(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* The value that so many in a hundred are not above. */
static unsigned
percentile(unsigned *sample, size_t n, unsigned percent)
{
	if (n == 0)
		return 0;
	qsort(sample, n, sizeof(*sample), by_size);
	return sample[(n - 1) * percent / 100];
}

static void
print(const struct work *w, const struct result *results, double seconds)
{
	unsigned *latency = calloc((size_t)w->clients * SAMPLES, sizeof(*latency));
	unsigned *greeting = calloc((size_t)w->clients * SAMPLES, sizeof(*greeting));
	unsigned logins = 0, errors = 0, i;

	if (latency == NULL || greeting == NULL)
		fail("memory");
	for (i = 0; i < w->clients; i++) {
		const struct result *r = &results[i];

		if (w->seconds > 0) {
			memcpy(latency + logins, r->latency_us, r->logins * sizeof(*latency));
			memcpy(greeting + logins, r->greeting_us, r->logins * sizeof(*greeting));
		}
		logins += r->logins;
		errors += r->errors;
	}
	printf("{\"logins\": %u, \"errors\": %u, \"seconds\": %.3f", logins, errors, seconds);
	if (w->seconds > 0)
		printf(", \"p50_us\": %u, \"p99_us\": %u, \"greeting_us\": %u", percentile(latency, logins, 50),
		    percentile(latency, logins, 99), percentile(greeting, logins, 50));
	printf("}\n");
	fflush(stdout);
}

/* Runs the clients, prints what they have found, and ends them when standard input does. */
static void
run(const struct work *w)
{
	struct result *results = mmap(NULL, w->clients * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t began = now_us();
	int done[2], end[2];
	unsigned i;
	char octet;

	if (results == MAP_FAILED || pipe(done) == -1 || pipe(end) == -1)
		fail("clients");
	for (i = 0; i < w->clients; i++) {
		if (fork() != 0)
			continue;
		close(end[1]);
		close(done[0]);
		w->seconds > 0 ? load(w, &results[i]) : hold(w, (w->connections + i) / w->clients, &results[i]);
		close(done[1]);
		(void)!read(end[0], &octet, 1);
		_exit(0);
	}
	close(done[1]);
	while (read(done[0], &octet, 1) > 0)
		;
	print(w, results, (double)(now_us() - began) / 1e6);
	while (w->seconds == 0 && read(STDIN_FILENO, &octet, 1) > 0)
		;
	close(end[1]);
	while (wait(NULL) > 0)
		;
}

static enum security
security_of(const char *word)
{
	return strcmp(word, "tls") == 0 ? TLS : strcmp(word, "starttls") == 0 ? STARTTLS : PLAIN;
}

int
main(int argc, char *argv[])
{
	struct work w = { 0 };
	bool holding;

	if (argc < 8 || argc > 9) {
		fputs("usage: loadgen load|hold PORT plain|starttls|tls USER PASSWORD CLIENTS SECONDS|CONNECTIONS [greeted|authenticated]\n", stderr);
		return 64;
	}
	holding = strcmp(argv[1], "hold") == 0;
	w.port = (uint16_t)atoi(argv[2]);
	w.security = security_of(argv[3]);
	w.user = argv[4];
	w.password = argv[5];
	w.clients = (unsigned)atoi(argv[6]);
	w.seconds = holding ? 0 : (unsigned)atoi(argv[7]);
	w.connections = holding ? (unsigned)atoi(argv[7]) : 0;
	w.greeted = argc == 9 && strcmp(argv[8], "greeted") == 0;
	signal(SIGPIPE, SIG_IGN);
	w.tls = SSL_CTX_new(TLS_client_method());
	if (w.tls == NULL)
		fail("TLS");
	/* Nobody's identity is in question here, and each login is to be a whole handshake. */
	SSL_CTX_set_verify(w.tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(w.tls, SSL_SESS_CACHE_OFF);
	run(&w);
	return 0;
}
