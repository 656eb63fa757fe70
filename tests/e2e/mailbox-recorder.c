/*
 * A mailbox program that writes down what it was started with, then says its
 * first line and does one simple thing. The harness starts it behind imapgate
 * and reads the report.
 *
 *   mailbox-recorder REPORT STYLE THEN [more arguments, which are only written down]
 *
 * REPORT  file to write, "-" for none: NUL-terminated "key value" entries
 * STYLE   tag      says "TAG OK recorder" with the tag from IMAPLOGINTAG
 *         preauth  says "* PREAUTH recorder"
 *         mute     says nothing
 * THEN    echo     answers every command line with "TAG OK heard REST", LOGOUT ends
 *         store    writes all input to REPORT.input until its end
 *         copy     sends all input back until its end, then "end of input"
 *         flood=N  sends N octets of numbered lines, exits without reading
 *         exit=N   exits at once
 *         sleep    does nothing until its input ends or somebody kills it
 */

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void __attribute__((format(printf, 2, 3)))
entry(FILE *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	putc('\0', f);
}

static void
report_descriptors(FILE *f)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	if (dir == NULL)
		err(1, "/proc/self/fd");
	while ((d = readdir(dir)) != NULL) {
		char target[PATH_MAX];
		int fd = atoi(d->d_name);
		ssize_t len;

		if (d->d_name[0] == '.' || fd == dirfd(dir) || fd == fileno(f))
			continue;
		len = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);
		entry(f, "fd %d %.*s", fd, len < 0 ? 0 : (int)len, target);
		entry(f, "fdflags %d %o", fd, (unsigned)fcntl(fd, F_GETFL));
	}
	closedir(dir);
}

static void
report_identity(FILE *f)
{
	gid_t groups[128];
	uid_t r, e, s;
	int n;

	getresuid(&r, &e, &s);
	entry(f, "uid %u %u %u", r, e, s);
	getresgid(&r, &e, &s);
	entry(f, "gid %u %u %u", r, e, s);
	if ((n = getgroups(128, groups)) == -1)
		err(1, "getgroups");
	for (int i = 0; i < n; i++)
		entry(f, "group %u", groups[i]);
}

/* Signals, capabilities, no_new_privs and seccomp are in there, in the kernel's words. */
static void
report_status(FILE *f)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[1024];

	if (status == NULL)
		err(1, "/proc/self/status");
	while (fgets(line, sizeof(line), status) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		entry(f, "status %s", line);
	}
	fclose(status);
}

static void
report_surroundings(FILE *f)
{
	char cwd[PATH_MAX];
	int on = -1;
	socklen_t len = sizeof(on);
	mode_t mask = umask(0);

	umask(mask);
	entry(f, "umask %03o", (unsigned)mask);
	entry(f, "cwd %s", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
	for (int i = 0; i < RLIMIT_NLIMITS; i++) {
		struct rlimit limit;

		if (getrlimit(i, &limit) == 0)
			entry(f, "limit %d %jd %jd", i, (intmax_t)limit.rlim_cur, (intmax_t)limit.rlim_max);
	}
	if (getsockopt(0, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0)
		entry(f, "nodelay %d", on != 0);
}

/* Written under another name first: who sees the report sees all of it. */
static void
report(const char *path, char *argv[])
{
	char unfinished[PATH_MAX];
	FILE *f;

	snprintf(unfinished, sizeof(unfinished), "%s.part", path);
	if ((f = fopen(unfinished, "we")) == NULL)
		err(1, "%s", unfinished);
	for (char **a = argv; *a != NULL; a++)
		entry(f, "arg %s", *a);
	for (char **e = environ; *e != NULL; e++)
		entry(f, "env %s", *e);
	entry(f, "pid %d", (int)getpid());
	report_descriptors(f);
	report_identity(f);
	report_status(f);
	report_surroundings(f);
	if (fclose(f) == EOF || rename(unfinished, path) == -1)
		err(1, "%s", path);
}

static void
greet(const char *style)
{
	const char *tag = getenv("IMAPLOGINTAG");

	if (strcmp(style, "tag") == 0)
		printf("%s OK recorder\r\n", tag != NULL ? tag : "*");
	else if (strcmp(style, "preauth") == 0)
		printf("* PREAUTH recorder\r\n");
	fflush(stdout);
}

static void
echo(void)
{
	static char line[1 << 17];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *rest;

		line[strcspn(line, "\r\n")] = '\0';
		rest = strchr(line, ' ');
		if (rest == NULL || rest == line) {
			printf("* BAD recorder heard no command\r\n");
		} else {
			*rest++ = '\0';
			if (strcasecmp(rest, "LOGOUT") == 0) {
				printf("* BYE recorder ends\r\n%s OK recorder ends\r\n", line);
				break;
			}
			printf("%s OK heard %s\r\n", line, rest);
		}
		fflush(stdout);
	}
	fflush(stdout);
}

static void
move(int to)
{
	static char buffer[1 << 16];
	ssize_t n;

	while ((n = read(0, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, k; done < n; done += k)
			if ((k = write(to, buffer + done, n - done)) == -1)
				return;
	if (n == -1)
		err(1, "read");
}

static void
store(const char *path)
{
	char unfinished[PATH_MAX], input[PATH_MAX];
	int fd;

	snprintf(unfinished, sizeof(unfinished), "%s.input.part", path);
	snprintf(input, sizeof(input), "%s.input", path);
	if ((fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) == -1)
		err(1, "%s", unfinished);
	move(fd);
	if (close(fd) == -1 || rename(unfinished, input) == -1)
		err(1, "%s", input);
}

/* Each line says where it begins, so a hole would be seen. */
static void
flood(long octets)
{
	for (long at = 0; at < octets; at += 64)
		printf("* OK %057ld\r\n", at);
	fflush(stdout);
}

/* A sanitizer, if it is built with one, shall leave the limits as they are: they are what is asked for here. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "disable_coredump=0:detect_leaks=0";
}

int
main(int argc, char *argv[])
{
	if (argc < 4)
		errx(64, "usage: mailbox-recorder REPORT STYLE THEN [...]");
	const char *then = argv[3];

	if (strcmp(argv[1], "-") != 0)
		report(argv[1], argv);
	/* A client that has gone is no reason to die of. */
	signal(SIGPIPE, SIG_IGN);
	greet(argv[2]);
	if (strcmp(then, "echo") == 0)
		echo();
	else if (strcmp(then, "store") == 0)
		store(argv[1]);
	else if (strcmp(then, "copy") == 0) {
		move(1);
		printf("end of input\r\n");
	} else if (strncmp(then, "flood=", 6) == 0)
		flood(atol(then + 6));
	else if (strncmp(then, "exit=", 5) == 0)
		return atoi(then + 5);
	else if (strcmp(then, "sleep") == 0)
		move(open("/dev/null", O_WRONLY | O_CLOEXEC));
	else
		errx(64, "what is \"%s\"?", then);
	return 0;
}
