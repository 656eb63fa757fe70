/*
 * Process titles, see title.h. Run by all processes. The kernel shows in
 * /proc/PID/cmdline what is in the memory where it has put the arguments
 * (proc(5)), and goes on into the environment behind them where their last
 * NUL is overwritten. So a title needs no system call, and the gate has none
 * for it.
 */

#include "base/title.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TITLE_MAX	192

/* The memory for titles, its size, and how much of it the last one takes. */
static char *area;
static size_t area_size, shown;

/* Where a string that begins at the end of the others ends; the end as it was if it begins elsewhere. */
static char *
extend(char *end, char *text)
{
	return text == end ? text + strlen(text) + 1 : end;
}

/* Returns copies of a list of strings that ends in NULL; NULL without memory. */
static char **
copy_list(char *list[])
{
	char **copy;
	size_t n = 0, i;

	while (list[n] != NULL)
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (i = 0; copy != NULL && i < n; i++) {
		copy[i] = strdup(list[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

char **
title_begin(char *argv[])
{
	static char *none[] = { NULL };
	char **arguments = copy_list(argv), **variables = copy_list(environ != NULL ? environ : none), *end = argv[0];
	size_t i;

	if (arguments == NULL || variables == NULL)
		return NULL;
	for (i = 0; argv[i] != NULL; i++)
		end = extend(end, argv[i]);
	for (i = 0; environ != NULL && environ[i] != NULL; i++)
		end = extend(end, environ[i]);
	area = argv[0];
	area_size = area != NULL ? (size_t)(end - area) : 0;
	shown = 0;
	/* SECURITY: an argument may be a value of --setenv, which the gate wipes from the copies only. */
	if (area_size > 0)
		explicit_bzero(area, area_size);
	environ = variables;
	return arguments;
}

char *
title_room(void)
{
	static char room[TITLE_MAX] = "ROOM=";

	memset(room + strlen("ROOM="), '.', sizeof(room) - sizeof("ROOM="));
	return room;
}

static bool
is_shown(char ch, bool space)
{
	return ch > ' ' ? ch < 0x7f : ch == ' ' && space;
}

/* Adds a word, cut at max octets. */
static void
append(char title[TITLE_MAX], const char *text, size_t max, bool space)
{
	size_t len = strlen(title), i;

	for (i = 0; text[i] != '\0' && i < max && len < TITLE_MAX - 1; i++)
		title[len++] = is_shown(text[i], space) ? text[i] : '?';
	title[len] = '\0';
}

void
title_set(const char *name, const char *address, const char *role, ...)
{
	char title[TITLE_MAX] = "imapgate: ", text[TITLE_MAX];
	va_list ap;
	size_t len;

	if (area_size == 0)
		return;
	va_start(ap, role);
	vsnprintf(text, sizeof(text), role, ap);
	va_end(ap);
	append(title, text, TITLE_MAX, true);
	if (name != NULL && name[0] != '\0') {
		append(title, " ", 1, true);
		append(title, name, TITLE_NAME, false);
	}
	if (address != NULL && address[0] != '\0') {
		append(title, " ", 1, true);
		append(title, address, TITLE_MAX, false);
	}
	len = strlen(title) < area_size ? strlen(title) : area_size - 1;
	memcpy(area, title, len);
	/* Only what the last one has left: a child touches no page that it need not. */
	if (len < shown)
		memset(area + len, '\0', shown - len);
	shown = len;
}
