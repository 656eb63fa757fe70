/* Findings, see finding.h. Run by --check and --probe. */

#include "check/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

static enum finding_kind worst = FINDING_OK;

/* Certificates may contain any text, which must not control a terminal. */
static void
print_clean(const char *text)
{
	size_t octets;

	for (; *text != '\0'; text += octets) {
		octets = utf8_sequence(text, strlen(text));
		if (octets == 0 || utf8_is_control(text, octets)) {
			putchar('?');
			octets = octets == 0 ? 1 : octets;
		} else
			fwrite(text, 1, octets, stdout);
	}
	putchar('\n');
	fflush(stdout);
}

void
finding_report(enum finding_kind kind, const char *subject, const char *fmt, ...)
{
	static const char *const names[] = { "note", "ok", "warning", "error" };
	char text[1024], line[1280];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%-8s %s: %s", names[kind - FINDING_NOTE], subject, text);
	print_clean(line);
	if (kind > worst)
		worst = kind;
}

void
finding_detail(const char *text)
{
	fputs("         ", stdout);
	print_clean(text);
}

enum finding_kind
finding_worst(void)
{
	return worst;
}
