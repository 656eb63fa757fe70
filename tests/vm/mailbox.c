/*
 * A mailbox program that does to its socket what a test wants: mailbox REPORT.
 * It says its tagged OK, then obeys lines. What happens is a line in the file
 * REPORT; what SINK reads is in REPORT.data. Knows nothing of TLS.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A stream of it is it again and again; it is here twice, so that a write may begin anywhere in it. */
#define PATTERN	(1 << 16)

static char pattern[2 * PATTERN];
static FILE *report;

static void
fail(const char *what)
{
	fprintf(report, "%s errno=%s\n", what, strerrorname_np(errno));
	fflush(report);
	exit(3);
}

static void
write_all(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n == -1)
			fail("write");
		bytes += n;
		len -= (size_t)n;
	}
}

/* A line, octet by octet: what is behind it stays in the socket. */
static bool
read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t got = read(STDIN_FILENO, line + n, 1);

		if (got == -1)
			fail("read");
		if (got == 0)
			return false;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return true;
}

/* Reads to the end, whatever that is, and says which. */
static void
sink(const char *path)
{
	char name[256], bytes[32768];
	size_t total = 0;
	ssize_t n;
	FILE *f;

	snprintf(name, sizeof(name), "%s.data", path);
	f = fopen(name, "w");
	if (f == NULL)
		fail("fopen");
	while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
		fwrite(bytes, 1, (size_t)n, f);
		total += (size_t)n;
	}
	fclose(f);
	fprintf(report, "sink octets=%zu end=%s\n", total, n == 0 ? "EOF" : strerrorname_np(errno));
	fflush(report);
}

/* What a program does that writes as much as goes and then ends: the flag is the open file's, so the keeper has it too. */
static void
burst(size_t chunk, int buffer)
{
	size_t total = 0;
	ssize_t n;

	if (buffer > 0)
		setsockopt(STDOUT_FILENO, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	while ((n = write(STDOUT_FILENO, pattern + total % PATTERN, chunk)) > 0)
		total += (size_t)n;
	fprintf(report, "burst octets=%zu end=%s\n", total, strerrorname_np(errno));
	fflush(report);
	_exit(0);
}

static void
pour(size_t len)
{
	for (; len > PATTERN; len -= PATTERN)
		write_all(pattern, PATTERN);
	write_all(pattern, len);
}

static void
obey(const char *line, const char *path)
{
	size_t size = 0;
	int number = 0;

	if (strncmp(line, "SINK", 4) == 0) {
		sink(path);
		exit(0);
	}
	if (sscanf(line, "BURST %zu %d", &size, &number) == 2)
		burst(size, number);
	if (sscanf(line, "POUR %zu", &size) == 1)
		pour(size);
	if (sscanf(line, "EXIT %d", &number) == 1)
		exit(number);
	if (sscanf(line, "DIE %d", &number) == 1)
		raise(number);
	if (strncmp(line, "PAUSE", 5) == 0)
		pause();
	if (strncmp(line, "ECHO ", 5) == 0)
		write_all(line + 5, strlen(line + 5));
}

static void
say_hello(void)
{
	const char *tag = getenv("IMAPLOGINTAG");
	char hello[256];

	if (tag != NULL && getenv("MAILBOX_GREETS") == NULL)
		snprintf(hello, sizeof(hello), "%s OK mailbox is ready\r\n", tag);
	else
		snprintf(hello, sizeof(hello), "* PREAUTH mailbox is ready\r\n");
	write_all(hello, strlen(hello));
}

int
main(int argc, char *argv[])
{
	char line[4096];
	size_t i;

	if (argc != 2 || (report = fopen(argv[1], "w")) == NULL)
		return 2;
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)('!' + i % PATTERN * 31 % 89);
	fprintf(report, "started pid=%d uid=%d\n", getpid(), getuid());
	fflush(report);
	say_hello();
	while (read_line(line, sizeof(line)))
		obey(line, argv[1]);
	fprintf(report, "end=EOF\n");
	fflush(report);
	return 0;
}
