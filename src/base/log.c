/*
 * Writes log lines, see log.h. Run by the listener, zygotes, signer, monitors and keepers, as
 * root or as the user; never by a gate. Nothing here allocates, and log_write() is
 * async-signal-safe.
 *
 * log_write() never waits: a log that is not read must not delay a login, a deadline or the
 * listener. A line that can't be written at once is dropped, and counted in the next line.
 */

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/systemd.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define SYSLOG_SOCKET	"/dev/log"
#define NAME		"imapgate"

/* Keys in every line: addresses, TLS version, cipher, proxy. */
#define CONTEXT_MAX	8

struct context {
	const char	*key;
	/* Longest: a cipher's name, or an IPv6 address with its zone. */
	char		 value[72];
};

static enum log_target target = LOG_TO_STDERR;
static bool stderr_is_journal;
/*
 * The field OBJECT_SYSTEMD_UNIT= with this service's name and a line ending; "" without a service
 * manager.
 */
static char service_field[sizeof("OBJECT_SYSTEMD_UNIT=\n") + 255];
/* Connected socket of syslog or journal; -1: none. */
static int datagram_fd = -1;
/*
 * Standard error, opened anew: O_NONBLOCK belongs to the open file, which others share. -1: not
 * possible.
 */
static int own_stderr = -1;
/* Dropped lines that no line has counted yet. Atomic, since signal handlers write lines too. */
static _Atomic unsigned dropped;
static struct context context[CONTEXT_MAX];

static const char *
socket_path(enum log_target t)
{
	return t == LOG_TO_JOURNAL ? JOURNAL_SOCKET : SYSLOG_SOCKET;
}

static int
connect_datagram(enum log_target t)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	strcpy(sun.sun_path, socket_path(t));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

const char *
log_target_error(enum log_target wanted)
{
	int fd = -1;

	if (wanted == LOG_TO_STDERR)
		return NULL;
	if (wanted != LOG_TO_SYSLOG)
		fd = connect_datagram(LOG_TO_JOURNAL);
	if (fd == -1 && wanted != LOG_TO_JOURNAL)
		fd = connect_datagram(LOG_TO_SYSLOG);
	if (fd == -1)
		return strerror(errno);
	close(fd);
	return NULL;
}

static void
open_stderr(void)
{
	own_stderr = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* A socket can't be opened anew, but sendmsg(2) takes MSG_DONTWAIT. */
	if (own_stderr == -1)
		own_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/*
 * Stores the name of this service for the journal. The journal itself looks for it in /proc, too
 * late for a process that has exited, as after a failed start. From root it takes the field
 * OBJECT_SYSTEMD_UNIT= instead, which systemctl(1) and journalctl(1) search
 * (systemd.journal-fields(7)).
 */
static void
store_service(void)
{
	char name[256];

	systemd_service_name(name, sizeof(name));
	if (name[0] != '\0')
		snprintf(service_field, sizeof(service_field), "OBJECT_SYSTEMD_UNIT=%s\n", name);
}

void
log_open(enum log_target wanted)
{
	target = wanted;
	stderr_is_journal = systemd_stderr_is_journal();
	if (target == LOG_TO_AUTO)
		target = stderr_is_journal ? LOG_TO_JOURNAL : LOG_TO_SYSLOG;
	if (target != LOG_TO_STDERR)
		datagram_fd = connect_datagram(target);
	if (datagram_fd == -1 && target == LOG_TO_JOURNAL) {
		target = LOG_TO_SYSLOG;
		datagram_fd = connect_datagram(target);
	}
	if (datagram_fd == -1)
		target = LOG_TO_STDERR;
	if (target == LOG_TO_STDERR)
		open_stderr();
	if (target == LOG_TO_JOURNAL && stderr_is_journal)
		store_service();
	errno = 0;
	if (wanted == LOG_TO_JOURNAL && target != wanted)
		die("--log journal: " JOURNAL_SOCKET " can't be reached");
}

bool
log_move(int to)
{
	int *fd = target == LOG_TO_STDERR ? &own_stderr : &datagram_fd;

	if (*fd == to)
		return true;
	if (dup2(*fd != -1 ? *fd : STDERR_FILENO, to) == -1)
		return false;
	if (*fd != -1)
		close(*fd);
	*fd = to;
	return true;
}

size_t
log_export(char words[LOG_WORDS_MAX][LOG_WORD_SIZE])
{
	size_t n = 1, i;

	snprintf(words[0], LOG_WORD_SIZE, "%d%s", (int)target, stderr_is_journal ? "j" : "");
	for (i = 0; i < CONTEXT_MAX && context[i].key != NULL; i++, n++)
		snprintf(words[n], LOG_WORD_SIZE, "%s=%s", context[i].key, context[i].value);
	return n;
}

bool
log_import(int fd, char *words[])
{
	char *equals;

	if (words[0] == NULL || strspn(words[0], "123") != 1 || (words[0][1] != '\0' && strcmp(words[0] + 1, "j") != 0))
		return false;
	target = (enum log_target)(words[0][0] - '0');
	stderr_is_journal = words[0][1] == 'j';
	if (target == LOG_TO_JOURNAL && stderr_is_journal)
		store_service();
	*(target == LOG_TO_STDERR ? &own_stderr : &datagram_fd) = fd;
	while (*++words != NULL) {
		equals = strchr(*words, '=');
		if (equals == NULL)
			return false;
		*equals = '\0';
		log_context(*words, equals + 1);
	}
	return fcntl(fd, F_SETFD, FD_CLOEXEC) != -1;
}

unsigned
log_take_dropped(void)
{
	return atomic_exchange(&dropped, 0);
}

void
log_add_dropped(unsigned n)
{
	atomic_fetch_add(&dropped, n);
}

/*
 * SECURITY: a user's program must not share an open file with the log: it could shut it down,
 * fill it, truncate it and forge lines. A superserver's standard error that is not the log is the
 * administrator's choice for such programs.
 */
int
log_stream(void)
{
	int fd = -1;

	if (stderr_is_journal || target == LOG_TO_JOURNAL)
		fd = systemd_journal_stream(NAME);
	else if (target == LOG_TO_SYSLOG && fcntl(STDERR_FILENO, F_GETFD) != -1)
		return STDERR_FILENO;
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return fd;
}

void
log_context(const char *key, const char *value)
{
	struct context *c = context;

	while (c->key != NULL && strcmp(c->key, key) != 0)
		if (++c == context + CONTEXT_MAX)
			return;
	if (c->key == NULL && c + 1 < context + CONTEXT_MAX)
		c[1].key = NULL;
	c->key = key;
	snprintf(c->value, sizeof(c->value), "%s", value);
}

void
log_context_clear(void)
{
	context[0].key = NULL;
}

const char *
log_context_value(const char *key)
{
	for (const struct context *c = context; c < context + CONTEXT_MAX && c->key != NULL; c++)
		if (strcmp(c->key, key) == 0)
			return c->value;
	return NULL;
}

/* Appends text to the line. Cuts text that does not fit. */
static void
add_text(struct log_line *l, const char *text)
{
	size_t room = sizeof(l->text) - l->length, len = strlen(text);

	if (len > room)
		len = room;
	memcpy(l->text + l->length, text, len);
	l->length += len;
}

/* Stores KEY=value for the journal, with the prefix, and the key in upper case. */
static void
store_field(struct log_line *l, const char *prefix, const char *key, const char *value)
{
	size_t room = sizeof(l->store) - l->stored, at = l->stored;
	char *ch;
	int n;

	if (l->fields == sizeof(l->field) / sizeof(l->field[0]))
		return;
	n = snprintf(l->store + at, room, "%s%s=%s", prefix, key, value);
	if (n < 0 || (size_t)n >= room)
		return;
	for (ch = l->store + at; *ch != '='; ch++)
		if (*ch >= 'a' && *ch <= 'z')
			*ch = (char)(*ch - 'a' + 'A');
	l->field[l->fields++] = at;
	l->stored += (size_t)n + 1;
}

/* Appends a whole field or nothing: half a value could be taken for another one. */
static void
add_field(struct log_line *l, const char *key, const char *quote, const char *value)
{
	size_t need = strlen(" =") + strlen(key) + strlen(value) + 2 * strlen(quote);

	store_field(l, "IMAPGATE_", key, value);
	if (need > sizeof(l->text) - l->length)
		return;
	add_text(l, " ");
	add_text(l, key);
	add_text(l, "=");
	add_text(l, quote);
	add_text(l, value);
	add_text(l, quote);
}

void
log_begin(struct log_line *l, int priority, const char *event)
{
	const struct context *c;

	l->priority = priority;
	l->length = l->fields = l->stored = 0;
	add_text(l, event);
	store_field(l, "IMAPGATE_", "event", event);
	for (c = context; c < context + CONTEXT_MAX && c->key != NULL; c++)
		add_field(l, c->key, "", c->value);
}

void
log_field(struct log_line *l, const char *key, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	add_field(l, key, "", value);
}

/*
 * Adds foreign text as a quoted field: control characters, quotes, backslashes and octets outside
 * of ASCII become \xHH.
 */
static void
add_escaped(struct log_line *l, const char *key, const char *text, size_t len, size_t max)
{
	char value[LOG_OWN_TEXT_MAX * 4 + sizeof("...")], *at = value;
	size_t i;

	for (i = 0; i < len && i < max; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (ch < ' ' || ch >= 0x7f || ch == '"' || ch == '\\')
			at += sprintf(at, "\\x%02X", ch);
		else
			*at++ = (char)ch;
	}
	strcpy(at, len > max ? "..." : "");
	add_field(l, key, "\"", value);
}

void
log_quoted(struct log_line *l, const char *key, const char *text, size_t len)
{
	add_escaped(l, key, text, len, LOG_CLIENT_TEXT_MAX);
}

void
log_text(struct log_line *l, const char *key, const char *text)
{
	add_escaped(l, key, text, strlen(text), LOG_OWN_TEXT_MAX);
}

/*
 * Writes a decimal number to the end of a buffer and returns its start. snprintf(3) is not
 * async-signal-safe.
 */
static const char *
format_decimal(char buffer[12], unsigned n)
{
	char *at = buffer + 11;

	*at = '\0';
	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return at;
}

/*
 * Sends a datagram. Connects anew and tries once more if the daemon was restarted: its socket is
 * new then.
 */
static bool
send_datagram(const struct msghdr *msg)
{
	int fd;

	if (sendmsg(datagram_fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
		return true;
	if (errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET && errno != EPIPE)
		return false;
	fd = connect_datagram(target);
	if (fd == -1)
		return false;
	dup3(fd, datagram_fd, O_CLOEXEC);
	close(fd);
	return sendmsg(datagram_fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) != -1;
}

/*
 * Writes a line by the journal's own protocol, one line for each field: no value contains a line
 * ending.
 */
static bool
write_journal(const struct log_line *l, const char *suffix)
{
	char priority[] = "\nPRIORITY=0\nSYSLOG_IDENTIFIER=" NAME "\n";
	struct iovec iov[2 * sizeof(l->field) / sizeof(l->field[0]) + 6];
	struct msghdr msg = { .msg_iov = iov };
	size_t i, n = 0;

	priority[sizeof("\nPRIORITY=") - 1] = (char)('0' + l->priority);
	iov[n++] = (struct iovec){ (char *)"MESSAGE=", 8 };
	iov[n++] = (struct iovec){ (char *)l->text, l->length };
	iov[n++] = (struct iovec){ (char *)suffix, strlen(suffix) };
	iov[n++] = (struct iovec){ priority, sizeof(priority) - 1 };
	iov[n++] = (struct iovec){ service_field, strlen(service_field) };
	for (i = 0; i < l->fields; i++) {
		const char *field = l->store + l->field[i];

		iov[n++] = (struct iovec){ (char *)field, strlen(field) };
		iov[n++] = (struct iovec){ (char *)"\n", 1 };
	}
	msg.msg_iovlen = n;
	return send_datagram(&msg);
}

/*
 * Writes a line to standard error, unless that would block. A pipe that poll(2) reports ready
 * takes PIPE_BUF octets.
 */
static bool
write_stderr(struct msghdr *msg)
{
	struct pollfd pfd = { own_stderr != -1 ? own_stderr : STDERR_FILENO, POLLOUT, 0 };

	if (sendmsg(pfd.fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
		return true;
	/* If poll(2) fails, writev(2) is tried: own_stderr does not block. */
	if (errno != ENOTSOCK || poll(&pfd, 1, 0) == 0)
		return false;
	return writev(pfd.fd, msg->msg_iov, (int)msg->msg_iovlen) != -1;
}

/*
 * Writes a line as inetd's programs do: "<priority>name[pid]: text" to syslog's socket, without
 * priority elsewhere.
 */
static bool
write_text(const struct log_line *l, const char *suffix)
{
	char start[64] = "", buffer[12];
	struct iovec iov[4];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = target == LOG_TO_SYSLOG ? 3 : 4 };

	if (target == LOG_TO_SYSLOG) {
		strcat(start, "<");
		strcat(start, format_decimal(buffer, (unsigned)(LOG_MAIL | l->priority)));
		strcat(start, ">");
	}
	strcat(start, NAME "[");
	strcat(start, format_decimal(buffer, (unsigned)getpid()));
	strcat(start, "]: ");
	iov[0] = (struct iovec){ start, strlen(start) };
	iov[1] = (struct iovec){ (char *)l->text, l->length };
	iov[2] = (struct iovec){ (char *)suffix, strlen(suffix) };
	iov[3] = (struct iovec){ (char *)"\n", 1 };
	return target == LOG_TO_SYSLOG ? send_datagram(&msg) : write_stderr(&msg);
}

void
log_write(const struct log_line *l)
{
	int saved_errno = errno;
	unsigned n = atomic_exchange(&dropped, 0);
	char suffix[32] = "", buffer[12];

	if (n > 0) {
		strcat(suffix, " dropped=");
		strcat(suffix, format_decimal(buffer, n));
	}
	if (!(target == LOG_TO_JOURNAL ? write_journal(l, suffix) : write_text(l, suffix)))
		atomic_fetch_add(&dropped, n + 1);
	errno = saved_errno;
}
