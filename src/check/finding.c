/* Findings, see finding.h. Run by --check and --probe. */

#include "check/finding.h"

#include <stdarg.h>
#include <stdio.h>

static enum finding_kind worst = FINDING_OK;

/* Certificates may contain any text, which must not control a terminal. */
static void
print_clean(const char *text)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
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
