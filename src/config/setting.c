/*
 * Parsers of options' values, see setting.h. Run at the start of each process that is executed,
 * usually as root; its input is the administrator's. An error ends the process.
 */

#include "config/setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void (*options_error_hook)(const char *text);

/* --- errors */

static void __attribute__((noreturn))
write_error(int status, const char *text)
{
	if (options_error_hook != NULL)
		options_error_hook(text);
	else
		fprintf(stderr, "imapgate: %s\n", text);
	exit(status);
}

void
setting_usage(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, "; see imapgate --help");
	write_error(EX_USAGE, text);
}

void
setting_bad_file(int status, const char *file, unsigned line, const char *text)
{
	char where[24] = "", whole[512];

	if (line != 0)
		snprintf(where, sizeof(where), ":%u", line);
	snprintf(whole, sizeof(whole), "%.200s%s: %s", file, where, text);
	write_error(status, whole);
}

void
setting_error(const struct setting *s, const char *fmt, ...)
{
	const char *value = s->value != NULL ? s->value : "";
	char reason[128], text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (s->file == NULL)
		setting_usage("--%s %.80s: %s", s->name, value, reason);
	snprintf(text, sizeof(text), "%s = %.80s: %s", s->name, value, reason);
	setting_bad_file(EX_CONFIG, s->file, s->line, text);
}

/* --- parsers */

/* Parses a decimal number from min to max. */
static unsigned long
number(const struct setting *s, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s->value, &end, 10);
	if (s->value[0] < '0' || s->value[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		setting_error(s, "a number from %lu to %lu is wanted", min, max);
	return n;
}

/* Returns the index of the value in words. */
static unsigned
word(const struct setting *s, const char *const words[])
{
	char list[96] = "";
	size_t len = 0;
	unsigned i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], s->value) == 0)
			return i;
	for (i = 0; words[i] != NULL && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i == 0 ? "" : ", ", words[i]);
	setting_error(s, "unknown word; known are %s", list);
}

static void *
place(struct options *o, const struct setting *s)
{
	return (char *)o + s->at;
}

void
setting_flag(struct options *o, const struct setting *s)
{
	static const char *const words[] = { "no", "yes", NULL };

	*(bool *)place(o, s) = s->value == NULL || word(s, words) == 1;
}

/* Refuses an empty value: as the name of a file or a user it would make every login fail. */
static void
require_text(const struct setting *s)
{
	if (s->value[0] == '\0')
		setting_error(s, "a value is wanted");
}

void
setting_text(struct options *o, const struct setting *s)
{
	require_text(s);
	setting_list(o, s);
}

void
setting_list(struct options *o, const struct setting *s)
{
	*(const char **)place(o, s) = s->value;
}

void
setting_home(struct options *o, const struct setting *s)
{
	const char *at;

	if (s->value[0] != '/')
		setting_error(s, "a path that begins with / is wanted");
	for (at = s->value; (at = strchr(at, '%')) != NULL && at[1] != '\0'; at += 2)
		if (at[1] == 'h')
			setting_error(s, "%%h can't stand here: it is the home that this option makes");
	setting_list(o, s);
}

void
setting_count(struct options *o, const struct setting *s)
{
	*(unsigned *)place(o, s) = (unsigned)number(s, 1, 100);
}

void
setting_limit(struct options *o, const struct setting *s)
{
	*(unsigned *)place(o, s) = (unsigned)number(s, 1, OPTIONS_LIMIT_MAX);
}

void
setting_seconds(struct options *o, const struct setting *s)
{
	*(unsigned *)place(o, s) = (unsigned)number(s, 1, 86400) * 1000;
}

void
setting_delay(struct options *o, const struct setting *s)
{
	char *end;
	double seconds = strtod(s->value, &end);

	if (s->value[0] == '\0' || s->value[strspn(s->value, "0123456789.")] != '\0' || *end != '\0' || !(seconds >= 0 && seconds <= 60))
		setting_error(s, "seconds from 0 to 60 are wanted");
	*(unsigned *)place(o, s) = (unsigned)(seconds * 1000);
}

void
setting_uid(struct options *o, const struct setting *s)
{
	*(uid_t *)place(o, s) = (uid_t)number(s, 1, UINT32_MAX - 1);
}

void
setting_word(struct options *o, const struct setting *s)
{
	*(unsigned *)place(o, s) = word(s, s->words);
}

static void
add_file(const struct setting *s, const char *list[], size_t *n)
{
	require_text(s);
	if (*n == OPTIONS_CERTS)
		setting_error(s, "more than %d of them", OPTIONS_CERTS);
	list[(*n)++] = s->value;
}

void
setting_cert(struct options *o, const struct setting *s)
{
	add_file(s, o->cert, &o->certs);
}

void
setting_key(struct options *o, const struct setting *s)
{
	add_file(s, o->key, &o->keys);
}

static void
add_pair(const struct setting *s, char *list[], size_t *n, size_t max)
{
	if (strchr(s->value, '=') == NULL || s->value[0] == '=')
		setting_error(s, "NAME=VALUE is wanted");
	if (*n == max)
		setting_error(s, "more than %zu of them", max);
	list[(*n)++] = s->value;
}

void
setting_tls(struct options *o, const struct setting *s)
{
	add_pair(s, o->tls, &o->tlss, OPTIONS_TLS);
}

void
setting_setenv(struct options *o, const struct setting *s)
{
	add_pair(s, o->setenv, &o->setenvs, OPTIONS_SETENV);
}

void
setting_proxy(struct options *o, const struct setting *s)
{
	if (strcmp(s->value, "unix") == 0) {
		o->proxy_unix = true;
		return;
	}
	if (o->proxies == OPTIONS_PROXIES)
		setting_error(s, "more than %d of them", OPTIONS_PROXIES);
	if (!network_parse(&o->proxy[o->proxies++], s->value))
		setting_error(s, "a numeric ADDRESS, ADDRESS/BITS or unix is wanted");
}

void
setting_unlimited(struct options *o, const struct setting *s)
{
	if (o->unlimiteds == OPTIONS_UNLIMITED)
		setting_error(s, "more than %d of them", OPTIONS_UNLIMITED);
	if (!network_parse(&o->unlimited[o->unlimiteds++], s->value))
		setting_error(s, "a numeric ADDRESS or ADDRESS/BITS is wanted");
}

void
setting_program(struct options *o, const struct setting *s)
{
	if (o->nwords == 0)
		require_text(s);
	if (o->nwords == OPTIONS_WORDS)
		setting_error(s, "more than %d words; a script may have more", OPTIONS_WORDS);
	o->words[o->nwords++] = s->value;
}
