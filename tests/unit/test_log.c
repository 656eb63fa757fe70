/*
 * Log lines: their form, which others search for, and that no text from a
 * client can make one or break one (T53).
 */

#include "child.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>

#include "base/log.h"

#define LINE_MAX_OCTETS	(sizeof(((struct log_line *)NULL)->text))

static struct child child;

/* --- reading lines ------------------------------------------------------- */

/* One key and its value, as a reader of the log would understand them. */
struct pair {
	char	key[64];
	char	value[1200];
	size_t	len;
	bool	quoted;
};

static const char *
read_quoted(const char *at, struct pair *p)
{
	for (p->len = 0; *at != '"'; p->len++) {
		unsigned octet;
		int n = 0;

		assert_in_range(*at, ' ', '~');
		if (*at != '\\') {
			p->value[p->len] = *at++;
			continue;
		}
		assert_int_equal(sscanf(at, "\\x%2X%n", &octet, &n), 1);
		assert_int_equal(n, 4);
		p->value[p->len] = (char)octet;
		at += n;
	}
	return at + 1;
}

static const char *
read_pair(const char *at, struct pair *p)
{
	size_t n = strcspn(at + 1, "=");

	memset(p, 0, sizeof(*p));
	assert_int_equal(*at, ' ');
	assert_in_range(n, 1, sizeof(p->key) - 1);
	memcpy(p->key, at + 1, n);
	assert_int_equal(strspn(p->key, "abcdefghijklmnopqrstuvwxyz0123456789_-"), n);
	at += 1 + n;
	assert_int_equal(*at++, '=');
	p->quoted = *at == '"';
	if (p->quoted)
		return read_quoted(at + 1, p);
	p->len = strcspn(at, " \n\"");
	memcpy(p->value, at, p->len);
	return at + p->len;
}

/* Takes what stands before the event's name on standard error. */
static const char *
after_prefix(const char *line)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "imapgate[%d]: ", child.pid);
	assert_true(strlen(line) > strlen(prefix));
	assert_memory_equal(line, prefix, strlen(prefix));
	return line + strlen(prefix);
}

/* Reads the one line that the child has written; gives the number of pairs. */
static size_t
read_line(struct pair *pairs, size_t max)
{
	const char *at;
	size_t n = 0;

	assert_int_equal(child.writes, 1);
	assert_int_equal(child.err[child.len - 1], '\n');
	assert_ptr_equal(memchr(child.err, '\n', child.len), child.err + child.len - 1);
	assert_int_equal(strlen(child.err), child.len);
	at = after_prefix(child.err);
	at += strcspn(at, " \n");
	while (*at != '\n') {
		assert_true(n < max);
		at = read_pair(at, &pairs[n++]);
	}
	return n;
}

static void
write_line(void *arg)
{
	log_write(arg);
}

static void
write_to_stderr(const struct log_line *line)
{
	child_run(&child, write_line, (void *)line);
	assert_int_equal(child.status, CHILD_RETURNED);
}

/* --- form ---------------------------------------------------------------- */

static void
whole_line(void *arg)
{
	struct log_line line;

	(void)arg;
	log_open(LOG_TO_STDERR);
	log_context("rip", "127.0.0.1");
	log_context("rport", "40112");
	log_context("lip", "::1");
	log_context("lport", "143");
	log_context("tls", "none");
	log_context("tls", "TLSv1.3");
	log_context("cipher", "TLS_AES_256_GCM_SHA384");
	log_begin(&line, LOG_INFO, "auth-fail");
	log_field(&line, "mech", "%s", "PLAIN");
	log_field(&line, "attempt", "%u", 2u);
	log_quoted(&line, "user", "joe", 3);
	log_write(&line);
}

static void
line_has_event_then_context_then_fields(void **state)
{
	(void)state;
	child_run(&child, whole_line, NULL);
	assert_int_equal(child.status, CHILD_RETURNED);
	assert_int_equal(child.writes, 1);
	assert_string_equal(after_prefix(child.err),
	    "auth-fail rip=127.0.0.1 rport=40112 lip=::1 lport=143 tls=TLSv1.3 "
	    "cipher=TLS_AES_256_GCM_SHA384 mech=PLAIN attempt=2 user=\"joe\"\n");
	assert_string_equal(child.out, "");
}

static void
line_before_log_open_goes_to_stderr(void **state)
{
	struct log_line line;

	(void)state;
	log_begin(&line, LOG_ERR, "error");
	write_to_stderr(&line);
	assert_string_equal(after_prefix(child.err), "error\n");
}

static void
write_two_lines(void *arg)
{
	struct log_line line;

	(void)arg;
	log_context("rip", "local");
	log_begin(&line, LOG_INFO, "one");
	log_write(&line);
	log_write(&line);
	log_begin(&line, LOG_INFO, "two");
	log_quoted(&line, "user", "", 0);
	log_write(&line);
}

static void
each_line_is_one_write_and_begins_anew(void **state)
{
	char wanted[200];

	(void)state;
	child_run(&child, write_two_lines, NULL);
	assert_int_equal(child.writes, 3);
	snprintf(wanted, sizeof(wanted),
	    "imapgate[%d]: one rip=local\nimapgate[%d]: one rip=local\nimapgate[%d]: two rip=local user=\"\"\n",
	    child.pid, child.pid, child.pid);
	assert_string_equal(child.err, wanted);
}

static void
write_with_errno(void *arg)
{
	errno = EXDEV;
	log_write(arg);
	if (errno != EXDEV)
		abort();
	close(STDERR_FILENO);
	log_write(arg);
	if (errno != EXDEV)
		abort();
}

static void
T57_errno_and_a_closed_stderr_are_no_matter(void **state)
{
	struct log_line line;

	(void)state;
	log_begin(&line, LOG_INFO, "end");
	child_run(&child, write_with_errno, &line);
	assert_int_equal(child.status, CHILD_RETURNED);
	assert_int_equal(child.writes, 1);
}

static void
long_context(void *arg)
{
	char value[2000];
	struct log_line line;
	static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o",
		"p", "q", "r", "s", "t" };
	size_t i;

	(void)arg;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_context("rip", "192.0.2.1");
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		log_context(keys[i], value);
	log_begin(&line, LOG_INFO, "end");
	log_write(&line);
}

static void
more_context_than_there_is_room_for_does_no_harm(void **state)
{
	static struct pair pairs[32];

	(void)state;
	child_run(&child, long_context, NULL);
	assert_int_equal(child.status, CHILD_RETURNED);
	assert_true(read_line(pairs, 32) > 1);
	assert_string_equal(pairs[0].key, "rip");
	assert_string_equal(pairs[0].value, "192.0.2.1");
}

/* --- text from clients --------------------------------------------------- */

/* Logs the text as a user's name and reads it back: it is all in one value. */
static void
read_back(const char *text, size_t len, struct pair *p)
{
	struct log_line *line = malloc(sizeof(*line));
	static struct pair pairs[4];
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(line);
	assert_non_null(copy);
	memcpy(copy, text, len);
	log_begin(line, LOG_INFO, "auth-fail");
	log_quoted(line, "user", copy, len);
	log_field(line, "last", "%d", 1);
	write_to_stderr(line);
	free(copy);
	free(line);
	assert_int_equal(read_line(pairs, 4), 2);
	assert_string_equal(pairs[0].key, "user");
	assert_true(pairs[0].quoted);
	assert_string_equal(pairs[1].key, "last");
	assert_string_equal(pairs[1].value, "1");
	*p = pairs[0];
}

static void
T53_every_octet_is_printable_and_comes_back(void **state)
{
	static struct pair p;
	char text[32];
	unsigned i, j;

	(void)state;
	for (i = 0; i < 256; i += sizeof(text)) {
		for (j = 0; j < sizeof(text); j++)
			text[j] = (char)(i + j);
		read_back(text, sizeof(text), &p);
		assert_int_equal(p.len, sizeof(text));
		assert_memory_equal(p.value, text, sizeof(text));
	}
}

static void
T53_hostile_text_stays_in_its_quotes(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
#define ROW(s) { s, sizeof(s) - 1 }
		ROW(""),
		ROW("x rip=1.2.3.4"),
		ROW("x\nimapgate: auth-fail rip=1.2.3.4"),
		ROW("x\" rip=1.2.3.4"),
		ROW("x\\\" rip=1.2.3.4"),
		ROW("\\"),
		ROW("\\x22"),
		ROW("\""),
		ROW("\"\""),
		ROW("\r\n"),
		ROW("a\0b"),
		ROW("\0"),
		ROW("%n%s%s"),
		ROW("%n%n%n%n%n%n%n%n"),
		ROW("\x1b[2J"),
		ROW("\xc2\x9b"
		    "2J"),
		ROW("\xff\xfe"),
		ROW("\xe2\x80\xa8"),
		ROW("\x7f"),
		ROW("\t"),
		ROW("$(reboot)"),
		ROW("' OR 1=1"),
#undef ROW
	};
	static struct pair p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		read_back(rows[i].text, rows[i].len, &p);
		assert_int_equal(p.len, rows[i].len);
		assert_memory_equal(p.value, rows[i].text, p.len);
	}
}

/* What was cut may say so with dots, but shows no more than 64 octets of the client's. */
static void
T53_client_text_is_cut_at_64_octets(void **state)
{
	static struct pair p;
	static char text[9000];
	size_t len;

	(void)state;
	memset(text, '\n', sizeof(text));
	for (len = 60; len <= sizeof(text); len = len < 70 ? len + 1 : len * 5) {
		read_back(text, len, &p);
		if (len <= LOG_CLIENT_TEXT_MAX)
			assert_int_equal(p.len, len);
		else
			assert_in_range(p.len, LOG_CLIENT_TEXT_MAX, LOG_CLIENT_TEXT_MAX + 3);
		assert_memory_equal(p.value, text, p.len < LOG_CLIENT_TEXT_MAX ? p.len : LOG_CLIENT_TEXT_MAX);
		assert_true(p.len <= LOG_CLIENT_TEXT_MAX || strcmp(p.value + LOG_CLIENT_TEXT_MAX, "...") == 0);
	}
}

/* What this host says of itself may be longer, but is no more trusted to have no line ends. */
static void
text_of_this_host_is_escaped_and_cut_at_200_octets(void **state)
{
	static struct pair pairs[2];
	struct log_line line;
	char text[301];
	size_t len;

	(void)state;
	for (len = 198; len <= 300; len = len < 202 ? len + 1 : len + 98) {
		memset(text, '\n', len);
		text[len] = '\0';
		log_begin(&line, LOG_INFO, "handoff");
		log_text(&line, "program", text);
		write_to_stderr(&line);
		assert_int_equal(read_line(pairs, 2), 1);
		assert_true(pairs[0].quoted);
		assert_int_equal(pairs[0].len, len <= LOG_OWN_TEXT_MAX ? len : LOG_OWN_TEXT_MAX + 3);
		assert_memory_equal(pairs[0].value, text, len < LOG_OWN_TEXT_MAX ? len : LOG_OWN_TEXT_MAX);
	}
}

/* --- lines that are too long --------------------------------------------- */

static void
assert_within(const struct log_line *line)
{
	size_t i;

	assert_true(line->length <= sizeof(line->text));
	assert_true(line->stored <= sizeof(line->store));
	assert_true(line->fields <= sizeof(line->field) / sizeof(line->field[0]));
	for (i = 0; i < line->fields; i++) {
		const char *field = line->store + line->field[i];

		assert_true(line->field[i] < line->stored);
		assert_non_null(memchr(field, '\0', line->stored - line->field[i]));
		assert_memory_equal(field, "IMAPGATE_", 9);
		assert_non_null(strchr(field, '='));
	}
}

/* Our own fields of n octets in all. */
static void
fill(struct log_line *line, size_t n)
{
	char value[251];
	size_t len;

	memset(value, 'v', sizeof(value));
	for (; n >= 3; n -= len + 3) {
		len = n - 3 < 250 ? n - 3 : 250;
		log_field(line, "k", "%.*s", (int)len, value);
	}
}

static void
T53_full_line_overflows_nothing(void **state)
{
	struct log_line *line = malloc(sizeof(*line));
	char text[300];
	size_t n;
	unsigned i;

	(void)state;
	assert_non_null(line);
	memset(text, '"', sizeof(text));
	for (n = 0; n <= LINE_MAX_OCTETS + 50; n++) {
		log_begin(line, LOG_INFO, "auth-ok");
		fill(line, n);
		for (i = 0; i < 40; i++) {
			log_quoted(line, "user", text, sizeof(text));
			assert_within(line);
			log_field(line, "reason", "%.*s", (int)sizeof(text), text);
			assert_within(line);
		}
	}
	free(line);
}

static void
T53_full_line_is_still_a_line(void **state)
{
	static struct pair pairs[40];
	struct log_line *line = malloc(sizeof(*line));
	char text[70];
	size_t n;

	(void)state;
	assert_non_null(line);
	memset(text, '\n', sizeof(text));
	for (n = LINE_MAX_OCTETS - 300; n <= LINE_MAX_OCTETS + 3; n++) {
		log_begin(line, LOG_INFO, "auth-ok");
		fill(line, n);
		log_quoted(line, "user", text, sizeof(text));
		log_quoted(line, "program", "/bin/true", 9);
		assert_within(line);
		write_to_stderr(line);
		assert_true(child.len <= LINE_MAX_OCTETS + 64);
		read_line(pairs, 40);
	}
	free(line);
}

/* --- the journal's fields ------------------------------------------------ */

static bool
has_field(const struct log_line *line, const char *wanted)
{
	size_t i;

	for (i = 0; i < line->fields; i++)
		if (strcmp(line->store + line->field[i], wanted) == 0)
			return true;
	return false;
}

static void
fields_of_the_journal_are_the_same_pairs(void **state)
{
	struct log_line line;

	(void)state;
	log_begin(&line, LOG_INFO, "auth-fail");
	log_field(&line, "mech", "%s", "LOGIN");
	log_field(&line, "attempt", "%u", 3u);
	log_quoted(&line, "user", "joe", 3);
	assert_within(&line);
	assert_int_equal(line.fields, 4);
	assert_true(has_field(&line, "IMAPGATE_EVENT=auth-fail"));
	assert_true(has_field(&line, "IMAPGATE_MECH=LOGIN"));
	assert_true(has_field(&line, "IMAPGATE_ATTEMPT=3"));
	assert_true(has_field(&line, "IMAPGATE_USER=joe"));
}

static void
T53_client_can_not_name_a_field_of_the_journal(void **state)
{
	static const char text[] = "x\nIMAPGATE_EVENT=auth-ok\nPRIORITY=0";
	struct log_line line;
	size_t i;

	(void)state;
	log_begin(&line, LOG_INFO, "auth-fail");
	log_quoted(&line, "user", text, sizeof(text) - 1);
	assert_within(&line);
	assert_int_equal(line.fields, 2);
	for (i = 0; i < line.stored; i++)
		assert_int_not_equal(line.store[i], '\n');
}

/* --- last words ---------------------------------------------------------- */

static void
say_last_word(void)
{
	puts("* BYE");
	fflush(stdout);
}

static void
divert(int priority, const char *text)
{
	printf("%d %s\n", priority, text);
	fflush(stdout);
}

enum { WITH_ERRNO = 1, LAST_WORD = 2, CONFIG = 4, DIVERTED = 8, BUG = 16 };

static void
end_in_words(void *arg)
{
	int how = *(int *)arg;

	log_context("rip", "192.0.2.1");
	die_hook = how & LAST_WORD ? say_last_word : NULL;
	log_sink = how & DIVERTED ? divert : NULL;
	if (how & CONFIG)
		die_status = EX_CONFIG;
	errno = how & WITH_ERRNO ? ENOENT : 0;
	if (how & BUG)
		bug("type %d", 9);
	die("certificate %s", "/x");
}

static void
ends(int how, int status, const char *err, const char *out)
{
	child_run(&child, end_in_words, &how);
	assert_int_equal(child.status, status);
	if (err[0] == '\0')
		assert_string_equal(child.err, "");
	else
		assert_string_equal(after_prefix(child.err), err);
	assert_string_equal(child.out, out);
}

static void
die_names_the_thing_and_errno(void **state)
{
	(void)state;
	ends(0, EX_TEMPFAIL, "error rip=192.0.2.1 text=\"certificate /x\"\n", "");
	ends(WITH_ERRNO, EX_TEMPFAIL, "error rip=192.0.2.1 text=\"certificate /x: No such file or directory\"\n", "");
}

static void
die_says_a_last_word_and_has_a_status(void **state)
{
	(void)state;
	ends(LAST_WORD, EX_TEMPFAIL, "error rip=192.0.2.1 text=\"certificate /x\"\n", "* BYE\n");
	ends(CONFIG, EX_CONFIG, "error rip=192.0.2.1 text=\"certificate /x\"\n", "");
	ends(LAST_WORD | CONFIG | WITH_ERRNO, EX_CONFIG,
	    "error rip=192.0.2.1 text=\"certificate /x: No such file or directory\"\n", "* BYE\n");
}

static void
bug_ends_at_once_whatever_the_status_for_die(void **state)
{
	(void)state;
	ends(BUG, EX_SOFTWARE, "bug rip=192.0.2.1 text=\"type 9\"\n", "");
	ends(BUG | CONFIG | WITH_ERRNO, EX_SOFTWARE, "bug rip=192.0.2.1 text=\"type 9\"\n", "");
}

static void
last_words_can_be_diverted(void **state)
{
	char wanted[64];

	(void)state;
	snprintf(wanted, sizeof(wanted), "%d certificate /x: No such file or directory\n", LOG_ERR);
	ends(DIVERTED | WITH_ERRNO, EX_TEMPFAIL, "", wanted);
	snprintf(wanted, sizeof(wanted), "%d type 9\n", LOG_CRIT);
	ends(DIVERTED | BUG, EX_SOFTWARE, "", wanted);
}

static void
die_hostile(void *arg)
{
	char text[5000];

	(void)arg;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "x\" rip=1.2.3.4", 14);
	errno = ENOENT;
	die("%s", text);
}

static void
T53_text_of_die_is_escaped_and_cut(void **state)
{
	static struct pair pairs[4];

	(void)state;
	child_run(&child, die_hostile, NULL);
	assert_int_equal(child.status, EX_TEMPFAIL);
	assert_int_equal(read_line(pairs, 4), 1);
	assert_string_equal(pairs[0].key, "text");
	assert_memory_equal(pairs[0].value, "x\" rip=1.2.3.4", 14);
}

/* --- where lines go ------------------------------------------------------ */

static void
open_stream(void *arg)
{
	struct stat st, null;
	int fd;

	(void)arg;
	log_open(LOG_TO_STDERR);
	fd = log_stream();
	if (fd == STDERR_FILENO || fstat(fd, &st) == -1 || stat("/dev/null", &null) == -1 || st.st_rdev != null.st_rdev)
		abort();
}

static void
stream_for_the_program_is_never_the_log(void **state)
{
	(void)state;
	child_run(&child, open_stream, NULL);
	assert_int_equal(child.status, CHILD_RETURNED);
}

/* --- a log that nobody reads */

static void
write_lines(unsigned n)
{
	struct log_line line;

	while (n-- > 0) {
		log_begin(&line, LOG_INFO, "event");
		log_write(&line);
	}
}

/* Standard error is a pipe that nobody reads, and then somebody does. */
static void
fill_pipe_and_read_it(void *arg)
{
	char text[8192] = "";
	int pair[2], flags;
	ssize_t n;

	if (pipe(pair) == -1 || dup2(pair[1], STDERR_FILENO) == -1)
		abort();
	if (arg != NULL)
		log_open(LOG_TO_STDERR);
	write_lines(20000);
	flags = fcntl(STDERR_FILENO, F_GETFL);
	if (flags & O_NONBLOCK)
		printf("the pipe's own flags were changed\n");
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	while ((n = read(pair[0], text, sizeof(text) - 1)) > 0)
		;
	write_lines(2);
	n = read(pair[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	printf("%s", text);
}

static void
lines_that_nobody_reads_are_dropped_and_counted(void **state)
{
	unsigned dropped, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		child_run(&child, fill_pipe_and_read_it, i == 0 ? NULL : &i);
		assert_int_equal(child.status, CHILD_RETURNED);
		assert_null(strstr(child.out, "flags"));
		assert_int_equal(sscanf(child.out, "imapgate[%*d]: event dropped=%u\n", &dropped), 1);
		assert_true(dropped > 10000 && dropped < 20000);
		/* Once. */
		assert_null(strstr(strchr(child.out, '\n'), "dropped"));
	}
}

static void
fill_and_hand_on(void *arg)
{
	int pair[2], err = dup(STDERR_FILENO);
	struct log_line line;
	unsigned taken;

	(void)arg;
	if (pipe(pair) == -1 || dup2(pair[1], STDERR_FILENO) == -1)
		abort();
	write_lines(20000);
	taken = log_take_dropped();
	dup2(err, STDERR_FILENO);
	log_begin(&line, LOG_INFO, "nothing");
	log_write(&line);
	log_add_dropped(taken);
	log_add_dropped(1);
	log_begin(&line, LOG_INFO, "handed-on");
	log_write(&line);
}

/* What one process has lost another one tells. */
static void
processes_can_hand_on_what_they_count(void **state)
{
	unsigned dropped;

	(void)state;
	child_run(&child, fill_and_hand_on, NULL);
	assert_non_null(strstr(child.err, "]: nothing\n"));
	assert_int_equal(sscanf(strstr(child.err, "handed-on"), "handed-on dropped=%u", &dropped), 1);
	assert_true(dropped > 10000);
}

#define NO_NAMESPACE	77

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		_exit(NO_NAMESPACE);
	close(fd);
}

/* An empty /dev and /run of our own, so that the sockets of a journal and a syslog can be made there. */
static void
enter_empty_machine(void)
{
	char users[40], groups[40];

	snprintf(users, sizeof(users), "0 %u 1", (unsigned)getuid());
	snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
		_exit(NO_NAMESPACE);
	write_file("/proc/self/uid_map", users);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/gid_map", groups);
	if (mount("none", "/dev", "tmpfs", 0, NULL) == -1 || mount("none", "/run", "tmpfs", 0, NULL) == -1)
		_exit(NO_NAMESPACE);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		abort();
	return fd;
}

/* WITH_STREAM: standard error is the journal's, says systemd. */
enum { WITH_JOURNAL = 1, WITH_SYSLOG = 2, WITH_STREAM = 4 };

struct machine {
	int		has;
	enum log_target	target;
};

/* What systemd says of a service whose standard error is the journal (systemd.exec(5)). */
static void
say_stderr_is_journal(void)
{
	char stream[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == -1)
		abort();
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void
print_datagram(int fd)
{
	char text[4000];
	ssize_t n = fd == -1 ? -1 : recv(fd, text, sizeof(text), 0);

	if (n > 0)
		fwrite(text, 1, (size_t)n, stdout);
}

/* Writes a line, and prints what came out at the sockets. */
static void
log_on_machine(void *arg)
{
	const struct machine *m = arg;
	struct log_line line;
	int journal = -1, syslog = -1;

	enter_empty_machine();
	if (m->has & WITH_JOURNAL) {
		mkdir("/run/systemd", 0755);
		mkdir("/run/systemd/journal", 0755);
		journal = listen_at("/run/systemd/journal/socket");
	}
	if (m->has & WITH_SYSLOG)
		syslog = listen_at("/dev/log");
	if (m->has & WITH_STREAM)
		say_stderr_is_journal();
	log_open(m->target);
	log_context("rip", "192.0.2.1");
	log_begin(&line, LOG_NOTICE, "auth-fail");
	log_quoted(&line, "user", "a\nb", 3);
	log_write(&line);
	print_datagram(journal);
	print_datagram(syslog);
}

static const char machine_line[] = "auth-fail rip=192.0.2.1 user=\"a\\x0Ab\"";

static void
run_machine(int has, enum log_target target)
{
	struct machine m = { has, target };

	child_run(&child, log_on_machine, &m);
	if (child.status == NO_NAMESPACE)
		skip();
	assert_int_equal(child.status, CHILD_RETURNED);
}

static void
assert_on_stderr(int has, enum log_target target)
{
	run_machine(has, target);
	assert_string_equal(child.out, "");
	assert_int_equal(child.writes, 1);
	assert_memory_equal(after_prefix(child.err), machine_line, sizeof(machine_line) - 1);
}

static void
line_for_stderr_goes_there_whatever_there_is(void **state)
{
	(void)state;
	assert_on_stderr(WITH_JOURNAL | WITH_SYSLOG, LOG_TO_STDERR);
}

static void
without_journal_and_syslog_lines_go_to_stderr(void **state)
{
	(void)state;
	assert_on_stderr(0, LOG_TO_AUTO);
	assert_on_stderr(0, LOG_TO_SYSLOG);
	assert_on_stderr(WITH_JOURNAL, LOG_TO_SYSLOG);
}

static void
assert_on_syslog(int has, enum log_target target)
{
	char wanted[200];

	run_machine(has, target);
	assert_string_equal(child.err, "");
	snprintf(wanted, sizeof(wanted), "<%d>imapgate[%d]: %s", LOG_MAIL | LOG_NOTICE, child.pid, machine_line);
	assert_string_equal(child.out, wanted);
}

static void
syslog_is_taken_if_asked_for_or_not_started_by_systemd(void **state)
{
	(void)state;
	assert_on_syslog(WITH_JOURNAL | WITH_SYSLOG, LOG_TO_SYSLOG);
	assert_on_syslog(WITH_SYSLOG, LOG_TO_AUTO);
	assert_on_syslog(WITH_JOURNAL | WITH_SYSLOG, LOG_TO_AUTO);
}

/* The journal's own protocol: KEY=value lines. */
static void
assert_on_journal(int has, enum log_target target)
{
	static const char *const fields[] = { "PRIORITY=5", "SYSLOG_IDENTIFIER=imapgate", "IMAPGATE_EVENT=auth-fail",
		"IMAPGATE_RIP=192.0.2.1", "IMAPGATE_USER=a\\x0Ab" };
	char line[200];
	size_t i;

	run_machine(has, target);
	assert_string_equal(child.err, "");
	snprintf(line, sizeof(line), "MESSAGE=%s\n", machine_line);
	assert_non_null(strstr(child.out, line));
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(line, sizeof(line), "\n%s\n", fields[i]);
		if (strstr(child.out, line) == NULL && strncmp(child.out, line + 1, strlen(line + 1)) != 0)
			fail_msg("%s is not in\n%s", fields[i], child.out);
	}
}

static void
journal_is_taken_where_stderr_is_its_and_has_the_fields(void **state)
{
	(void)state;
	assert_on_journal(WITH_JOURNAL | WITH_SYSLOG | WITH_STREAM, LOG_TO_AUTO);
	assert_on_journal(WITH_JOURNAL, LOG_TO_JOURNAL);
}

/* The queue of a socket that nobody reads is full after some ten datagrams (net.unix.max_dgram_qlen). */
static void
fill_socket_and_read_it(void *arg)
{
	const enum log_target *t = arg;
	char text[4000] = "";
	int fd, i;

	enter_empty_machine();
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	fd = listen_at(*t == LOG_TO_JOURNAL ? "/run/systemd/journal/socket" : "/dev/log");
	log_open(*t);
	write_lines(5000);
	while (recv(fd, text, sizeof(text), 0) > 0)
		;
	write_lines(1);
	memset(text, 0, sizeof(text));
	i = (int)recv(fd, text, sizeof(text) - 1, 0);
	printf("%.*s", i, text);
}

static void
a_socket_that_nobody_reads_does_not_stop_us(void **state)
{
	const enum log_target targets[] = { LOG_TO_SYSLOG, LOG_TO_JOURNAL };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		child_run(&child, fill_socket_and_read_it, (void *)&targets[i]);
		if (child.status == NO_NAMESPACE)
			skip();
		assert_int_equal(child.status, CHILD_RETURNED);
		assert_non_null(strstr(child.out, "event dropped="));
	}
}

static void
restart_daemon(void *arg)
{
	const enum log_target *t = arg;
	const char *path = *t == LOG_TO_JOURNAL ? "/run/systemd/journal/socket" : "/dev/log";
	int fd;

	enter_empty_machine();
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	fd = listen_at(path);
	log_open(*t);
	write_lines(1);
	close(fd);
	unlink(path);
	write_lines(1);
	fd = listen_at(path);
	write_lines(1);
	print_datagram(fd);
}

static void
a_daemon_that_was_started_anew_is_found(void **state)
{
	const enum log_target targets[] = { LOG_TO_SYSLOG, LOG_TO_JOURNAL };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		child_run(&child, restart_daemon, (void *)&targets[i]);
		if (child.status == NO_NAMESPACE)
			skip();
		assert_int_equal(child.status, CHILD_RETURNED);
		assert_non_null(strstr(child.out, "event dropped=1"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_has_event_then_context_then_fields),
		cmocka_unit_test(line_before_log_open_goes_to_stderr),
		cmocka_unit_test(each_line_is_one_write_and_begins_anew),
		cmocka_unit_test(T57_errno_and_a_closed_stderr_are_no_matter),
		cmocka_unit_test(more_context_than_there_is_room_for_does_no_harm),
		cmocka_unit_test(T53_every_octet_is_printable_and_comes_back),
		cmocka_unit_test(T53_hostile_text_stays_in_its_quotes),
		cmocka_unit_test(T53_client_text_is_cut_at_64_octets),
		cmocka_unit_test(text_of_this_host_is_escaped_and_cut_at_200_octets),
		cmocka_unit_test(T53_full_line_overflows_nothing),
		cmocka_unit_test(T53_full_line_is_still_a_line),
		cmocka_unit_test(fields_of_the_journal_are_the_same_pairs),
		cmocka_unit_test(T53_client_can_not_name_a_field_of_the_journal),
		cmocka_unit_test(die_names_the_thing_and_errno),
		cmocka_unit_test(die_says_a_last_word_and_has_a_status),
		cmocka_unit_test(bug_ends_at_once_whatever_the_status_for_die),
		cmocka_unit_test(last_words_can_be_diverted),
		cmocka_unit_test(T53_text_of_die_is_escaped_and_cut),
		cmocka_unit_test(stream_for_the_program_is_never_the_log),
		cmocka_unit_test(lines_that_nobody_reads_are_dropped_and_counted),
		cmocka_unit_test(processes_can_hand_on_what_they_count),
		cmocka_unit_test(a_socket_that_nobody_reads_does_not_stop_us),
		cmocka_unit_test(a_daemon_that_was_started_anew_is_found),
		cmocka_unit_test(line_for_stderr_goes_there_whatever_there_is),
		cmocka_unit_test(without_journal_and_syslog_lines_go_to_stderr),
		cmocka_unit_test(syslog_is_taken_if_asked_for_or_not_started_by_systemd),
		cmocka_unit_test(journal_is_taken_where_stderr_is_its_and_has_the_fields),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
