/*
 * A mailbox program that costs next to nothing: it completes the login's
 * tagged answer and answers each command with OK, until LOGOUT or the end.
 * Linked statically, so that what a figure holds of it is small and known.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void
say(const char *tag, const char *text)
{
	char line[200];
	int len = snprintf(line, sizeof(line), "%.100s %s\r\n", tag, text);

	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(1);
}

/* Reads one line without its end. Some front ends leave the socket non-blocking. */
static void
read_line(char *line, size_t size)
{
	struct pollfd pfd = { STDIN_FILENO, POLLIN, 0 };
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size) {
		n = read(STDIN_FILENO, line + len, size - 1 - len);
		if (n == -1 && errno == EAGAIN) {
			poll(&pfd, 1, -1);
			continue;
		}
		if (n <= 0)
			_exit(0);
		len += (size_t)n;
		if (line[len - 1] == '\n')
			break;
	}
	line[len] = '\0';
}

int
main(void)
{
	const char *tag = getenv("IMAPLOGINTAG");
	char line[200], command_tag[101], verb[21];

	say(tag != NULL ? tag : "*", "OK logged in");
	for (;;) {
		read_line(line, sizeof(line));
		if (sscanf(line, "%100s %20s", command_tag, verb) != 2)
			_exit(1);
		if (strcasecmp(verb, "LOGOUT") == 0)
			say("*", "BYE");
		say(command_tag, "OK");
		if (strcasecmp(verb, "LOGOUT") == 0)
			_exit(0);
	}
}
