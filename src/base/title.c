/*
 * Process titles, see title.h. Run by all processes. /proc/PID/cmdline shows the memory of the
 * arguments, and of the environment after it if the last NUL is overwritten (proc(5)). So a title
 * needs no system call, and works in the sandbox.
 */

#include "base/title.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TITLE_MAX	192

/* Memory for titles, its size, and the length of the current title. */
static char *area;
static size_t area_size, shown_len;

/* Returns the end of a string that begins at end; else end. */
static char *
extend_area(char *end, char *text)
{
	return text == end ? text + strlen(text) + 1 : end;
}

/* Copies a list of strings that ends in NULL. Returns NULL without memory. */
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
		end = extend_area(end, argv[i]);
	for (i = 0; environ != NULL && environ[i] != NULL; i++)
		end = extend_area(end, environ[i]);
	area = argv[0];
	area_size = area != NULL ? (size_t)(end - area) : 0;
	shown_len = 0;
	/*
	 * SECURITY: an argument may be a value of --setenv, which a gate wipes in the copies
	 * only.
	 */
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

/* Appends text, cut at max octets. */
static void
append_text(char title[TITLE_MAX], const char *text, size_t max, bool space)
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
	append_text(title, text, TITLE_MAX, true);
	if (name != NULL && name[0] != '\0') {
		append_text(title, " ", 1, true);
		append_text(title, name, TITLE_NAME_MAX, false);
	}
	if (address != NULL && address[0] != '\0') {
		append_text(title, " ", 1, true);
		append_text(title, address, TITLE_MAX, false);
	}
	len = strlen(title) < area_size ? strlen(title) : area_size - 1;
	memcpy(area, title, len);
	/* Clears only the rest of the previous title, so that a child writes to few pages. */
	if (len < shown_len)
		memset(area + len, '\0', shown_len - len);
	shown_len = len;
}
