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
setting_usage_error(const char *fmt, ...)
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
setting_file_error(int status, const char *file, unsigned line, const char *text)
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
		setting_usage_error("--%s %.80s: %s", s->name, value, reason);
	snprintf(text, sizeof(text), "%s = %.80s: %s", s->name, value, reason);
	setting_file_error(EX_CONFIG, s->file, s->line, text);
}

/* --- parsers */

/* Parses a decimal number from min to max. */
static unsigned long
parse_number(const struct setting *s, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s->value, &end, 10);
	if (s->value[0] < '0' || s->value[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		setting_error(s, "must be a number from %lu to %lu", min, max);
	return n;
}

/* Returns the index of the value in choices. */
static unsigned
parse_choice(const struct setting *s, const char *const choices[])
{
	char list[96] = "";
	size_t len = 0;
	unsigned i;

	for (i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], s->value) == 0)
			return i;
	for (i = 0; choices[i] != NULL && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i == 0 ? "" : ", ", choices[i]);
	setting_error(s, "must be one of %s", list);
}

static void *
option_field(struct options *o, const struct setting *s)
{
	return (char *)o + s->offset;
}

void
setting_flag(struct options *o, const struct setting *s)
{
	static const char *const choices[] = { "no", "yes", NULL };

	*(bool *)option_field(o, s) = s->value == NULL || parse_choice(s, choices) == 1;
}

/* Refuses an empty value: as the name of a file or a user it would make every login fail. */
static void
require_nonempty(const struct setting *s)
{
	if (s->value[0] == '\0')
		setting_error(s, "must not be empty");
}

void
setting_nonempty(struct options *o, const struct setting *s)
{
	require_nonempty(s);
	setting_string(o, s);
}

void
setting_string(struct options *o, const struct setting *s)
{
	*(const char **)option_field(o, s) = s->value;
}

void
setting_home(struct options *o, const struct setting *s)
{
	const char *at;

	if (s->value[0] != '/')
		setting_error(s, "must be an absolute path");
	for (at = s->value; (at = strchr(at, '%')) != NULL && at[1] != '\0'; at += 2)
		if (at[1] == 'h')
			setting_error(s, "%%h is not allowed: this option sets the home directory");
	setting_string(o, s);
}

void
setting_count(struct options *o, const struct setting *s)
{
	*(unsigned *)option_field(o, s) = (unsigned)parse_number(s, 1, 100);
}

void
setting_limit(struct options *o, const struct setting *s)
{
	*(unsigned *)option_field(o, s) = (unsigned)parse_number(s, 1, OPTIONS_LIMIT_MAX);
}

void
setting_seconds(struct options *o, const struct setting *s)
{
	*(unsigned *)option_field(o, s) = (unsigned)parse_number(s, 1, 86400) * 1000;
}

void
setting_delay(struct options *o, const struct setting *s)
{
	char *end;
	double seconds = strtod(s->value, &end);

	if (s->value[0] == '\0' || s->value[strspn(s->value, "0123456789.")] != '\0' || *end != '\0' || !(seconds >= 0 && seconds <= 60))
		setting_error(s, "must be a number of seconds from 0 to 60");
	*(unsigned *)option_field(o, s) = (unsigned)(seconds * 1000);
}

void
setting_uid(struct options *o, const struct setting *s)
{
	*(uid_t *)option_field(o, s) = (uid_t)parse_number(s, 1, UINT32_MAX - 1);
}

void
setting_choice(struct options *o, const struct setting *s)
{
	*(unsigned *)option_field(o, s) = parse_choice(s, s->choices);
}

static void
add_file(const struct setting *s, const char *list[], size_t *n)
{
	require_nonempty(s);
	if (*n == OPTIONS_CERTS_MAX)
		setting_error(s, "may be given at most %d times", OPTIONS_CERTS_MAX);
	list[(*n)++] = s->value;
}

void
setting_cert(struct options *o, const struct setting *s)
{
	add_file(s, o->cert, &o->n_cert);
}

void
setting_key(struct options *o, const struct setting *s)
{
	add_file(s, o->key, &o->n_key);
}

static void
add_pair(const struct setting *s, char *list[], size_t *n, size_t max)
{
	if (strchr(s->value, '=') == NULL || s->value[0] == '=')
		setting_error(s, "must be NAME=VALUE");
	if (*n == max)
		setting_error(s, "may be given at most %zu times", max);
	list[(*n)++] = s->value;
}

void
setting_tls(struct options *o, const struct setting *s)
{
	add_pair(s, o->tls, &o->n_tls, OPTIONS_TLS_MAX);
}

void
setting_setenv(struct options *o, const struct setting *s)
{
	add_pair(s, o->setenv, &o->n_setenv, OPTIONS_SETENV_MAX);
}

void
setting_proxy(struct options *o, const struct setting *s)
{
	if (strcmp(s->value, "unix") == 0) {
		o->proxy_unix = true;
		return;
	}
	if (o->n_proxy == OPTIONS_PROXIES_MAX)
		setting_error(s, "may be given at most %d times", OPTIONS_PROXIES_MAX);
	if (!network_parse(&o->proxy[o->n_proxy++], s->value))
		setting_error(s, "must be a numeric ADDRESS, ADDRESS/BITS or unix");
}

void
setting_unlimited(struct options *o, const struct setting *s)
{
	if (o->n_unlimited == OPTIONS_UNLIMITED_MAX)
		setting_error(s, "may be given at most %d times", OPTIONS_UNLIMITED_MAX);
	if (!network_parse(&o->unlimited[o->n_unlimited++], s->value))
		setting_error(s, "must be a numeric ADDRESS or ADDRESS/BITS");
}

void
setting_program(struct options *o, const struct setting *s)
{
	if (o->n_program_args == 0)
		require_nonempty(s);
	if (o->n_program_args == OPTIONS_PROGRAM_ARGS_MAX)
		setting_error(s, "more than %d words; use a script", OPTIONS_PROGRAM_ARGS_MAX);
	o->program_args[o->n_program_args++] = s->value;
}
