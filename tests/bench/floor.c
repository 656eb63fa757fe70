/*
 * The floor that all other figures are ratios of: a login program that asks
 * nobody. It greets, takes whoever sends LOGIN for logged in, and executes
 * the program that its arguments name. Linked statically.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void
say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) == -1)
		_exit(1);
}

/* Octet by octet: what follows the line is the mailbox program's. */
static void
read_line(char *line, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && read(STDIN_FILENO, line + len, 1) == 1)
		if (line[len++] == '\n') {
			line[len] = '\0';
			return;
		}
	_exit(0);
}

int
main(int argc, char *argv[])
{
	char line[200], tag[101], verb[21];

	if (argc < 2)
		_exit(64);
	say("* OK floor\r\n");
	for (;;) {
		read_line(line, sizeof(line));
		if (sscanf(line, "%100s %20s", tag, verb) != 2 || strcasecmp(verb, "LOGOUT") == 0)
			_exit(0);
		if (strcasecmp(verb, "LOGIN") == 0)
			break;
	}
	setenv("IMAPLOGINTAG", tag, 1);
	execv(argv[1], argv + 1);
	_exit(111);
}
