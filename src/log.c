/*
 * Lines for the administrator, see log.h. Run by the monitor and, before
 * there is one, by main. Nothing here allocates, and log_write calls nothing
 * that is not async-signal-safe: sd_journal_sendv(3), send(2), write(2).
 */

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "systemd.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define SYSLOG_SOCKET	"/dev/log"
#define NAME		"imapgate"

/* Keys that every line carries: addresses, TLS version and cipher. */
#define CONTEXT_MAX	8

struct context {
	const char	*key;
	char		 value[72];	/* a cipher's name, or an IPv6 address with its zone */
};

void (*log_last_word)(void);
void (*log_last_act)(void);
void (*log_diverted)(int priority, const char *text);
int log_die_status = EX_TEMPFAIL;

static enum log_target target = LOG_TO_STDERR;
static int syslog_fd = -1;
static struct context context[CONTEXT_MAX];

static int
connect_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

const char *
log_objection(enum log_target wanted)
{
	const char *journal = wanted == LOG_TO_JOURNAL ? systemd_journal() : NULL;
	int fd;

	if (wanted == LOG_TO_STDERR || journal != NULL)
		return journal;
	errno = 0;
	if (wanted != LOG_TO_SYSLOG && access(JOURNAL_SOCKET, F_OK) == 0)
		return NULL;
	fd = wanted != LOG_TO_JOURNAL ? connect_syslog() : -1;
	if (fd == -1)
		return strerror(errno);
	close(fd);
	return NULL;
}

void
log_open(enum log_target wanted)
{
	const char *wrong = NULL;

	target = wanted;
	if (target == LOG_TO_AUTO)
		target = systemd_has_stderr() ? LOG_TO_JOURNAL : LOG_TO_SYSLOG;
	if (target == LOG_TO_JOURNAL)
		wrong = systemd_journal();
	if (wrong != NULL)
		target = LOG_TO_SYSLOG;
	if (target == LOG_TO_SYSLOG) {
		syslog_fd = connect_syslog();
		if (syslog_fd == -1)
			target = LOG_TO_STDERR;
	}
	errno = 0;
	if (wrong != NULL && wanted == LOG_TO_JOURNAL)
		die("--log journal: %s", wrong);
}

int
log_stream(bool stderr_is_client)
{
	int fd = -1;

	if (!stderr_is_client && fcntl(STDERR_FILENO, F_GETFD) != -1)
		return STDERR_FILENO;
	if (target == LOG_TO_JOURNAL)
		fd = systemd_journal_stream(NAME);
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
	c->key = key;
	snprintf(c->value, sizeof(c->value), "%s", value);
}

/* Adds to the line; what does not fit is cut. */
static void
add_text(struct log_line *l, const char *text)
{
	size_t room = sizeof(l->text) - l->length, len = strlen(text);

	if (len > room)
		len = room;
	memcpy(l->text + l->length, text, len);
	l->length += len;
}

/* Stores KEY=value for the journal: our keys in upper case, with our prefix unless they have one of their own. */
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

/* A field stands in the line as a whole or not at all: half a value could be taken for another. */
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

/* Adds text that is not ours: what could end a line, a quote or confuse a terminal is shown as \xHH. */
static void
add_escaped(struct log_line *l, const char *key, const char *text, size_t len, size_t max)
{
	char value[LOG_OWN_TEXT * 4 + sizeof("...")], *at = value;
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
	add_escaped(l, key, text, len, LOG_CLIENT_TEXT);
}

void
log_text(struct log_line *l, const char *key, const char *text)
{
	add_escaped(l, key, text, strlen(text), LOG_OWN_TEXT);
}

static void
write_journal(const struct log_line *l)
{
	char message[sizeof("MESSAGE=") + sizeof(l->text)], priority[] = "PRIORITY=0", id[] = "SYSLOG_IDENTIFIER=" NAME;
	struct iovec iov[sizeof(l->field) / sizeof(l->field[0]) + 3];
	size_t i, n = 0;

	memcpy(message, "MESSAGE=", 8);
	memcpy(message + 8, l->text, l->length);
	priority[sizeof(priority) - 2] = (char)('0' + l->priority);
	iov[n++] = (struct iovec){ message, 8 + l->length };
	iov[n++] = (struct iovec){ priority, sizeof(priority) - 1 };
	iov[n++] = (struct iovec){ id, sizeof(id) - 1 };
	for (i = 0; i < l->fields; i++) {
		const char *field = l->store + l->field[i];

		iov[n++] = (struct iovec){ (char *)field, strlen(field) };
	}
	systemd_journal_sendv(iov, (int)n);
}

/* Puts a decimal number at the end of a buffer: snprintf(3) is not async-signal-safe. */
static const char *
decimal(char buffer[12], unsigned n)
{
	char *at = buffer + 11;

	*at = '\0';
	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return at;
}

/* What inetd's programs write: "<priority>name[pid]: text" for syslog(3)'s socket, the same without priority elsewhere. */
static void
write_text(const struct log_line *l, int fd, bool syslog_form)
{
	char start[64] = "", buffer[12];
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = syslog_form ? 2 : 3 };

	if (syslog_form) {
		strcat(start, "<");
		strcat(start, decimal(buffer, (unsigned)(LOG_MAIL | l->priority)));
		strcat(start, ">");
	}
	strcat(start, NAME "[");
	strcat(start, decimal(buffer, (unsigned)getpid()));
	strcat(start, "]: ");
	iov[0] = (struct iovec){ start, strlen(start) };
	iov[1] = (struct iovec){ (char *)l->text, l->length };
	iov[2] = (struct iovec){ (char *)"\n", 1 };
	if (syslog_form)
		(void)!sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		(void)!writev(fd, iov, 3);
}

void
log_write(const struct log_line *l)
{
	int saved_errno = errno;

	if (target == LOG_TO_JOURNAL)
		write_journal(l);
	else if (target == LOG_TO_SYSLOG)
		write_text(l, syslog_fd, true);
	else
		write_text(l, STDERR_FILENO, false);
	errno = saved_errno;
}

static void
log_failure(int priority, const char *event, const char *text)
{
	struct log_line l;

	if (log_diverted != NULL) {
		log_diverted(priority, text);
		return;
	}
	log_begin(&l, priority, event);
	log_text(&l, "text", text);
	log_write(&l);
}

void
die(const char *fmt, ...)
{
	char text[LOG_OWN_TEXT];
	int saved_errno = errno, n;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (saved_errno != 0 && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerror(saved_errno));
	log_failure(LOG_ERR, "error", text);
	if (log_last_word != NULL)
		log_last_word();
	_exit(log_die_status);
}

void
bug(const char *fmt, ...)
{
	char text[LOG_OWN_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_failure(LOG_CRIT, "bug", text);
	if (log_last_act != NULL)
		log_last_act();
	_exit(EX_SOFTWARE);
}
