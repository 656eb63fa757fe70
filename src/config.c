/*
 * The file of --config, see config.h. Run once, by options_parse, with the
 * rights that we were started with.
 *
 * OpenSSL's NCONF reads one line at a time here, each as a file of its own.
 * So it is always known which line a setting is from, and a name that stands
 * there twice is seen, of which NCONF would silently keep the last.
 */

#include "config.h"

#include <errno.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "openssl.h"

/* What the names of options are made of. */
#define NAME_CHARACTERS	"abcdefghijklmnopqrstuvwxyz-"
#define BLANKS		" \t"

/* Cuts the line's end off. True if the next line belongs to this one: it ends in a backslash, and not in two (config(5)). */
static bool
goes_on(char *text, size_t *len)
{
	while (*len > 0 && (text[*len - 1] == '\n' || text[*len - 1] == '\r'))
		(*len)--;
	if (*len == 0 || text[*len - 1] != '\\' || (*len > 1 && text[*len - 2] == '\\')) {
		text[*len] = '\0';
		return false;
	}
	text[--*len] = '\0';
	return true;
}

/* SECURITY: values may be secrets of the mailbox program's, and a gate is forked from here later. */
static void
free_wiped(char *text, size_t size)
{
	if (text != NULL)
		explicit_bzero(text, size);
	free(text);
}

char *
config_line(FILE *file, unsigned *line)
{
	char *whole = NULL, *part = NULL, *longer;
	size_t len = 0, size = 0, part_len;
	bool more = true;
	ssize_t n;

	while (more && (n = getline(&part, &size, file)) > 0) {
		part_len = (size_t)n;
		more = goes_on(part, &part_len);
		longer = malloc(len + part_len + 1);
		if (longer == NULL)
			die("%zu octets", len + part_len);
		memcpy(longer, whole != NULL ? whole : "", len);
		free_wiped(whole, len);
		whole = longer;
		memcpy(whole + len, part, part_len + 1);
		len += part_len;
		++*line;
	}
	free_wiped(part, size);
	return whole;
}

/* The text in front of "=", if it is a name and nothing else. */
static char *
name_of(const char *text)
{
	size_t len = strspn(text, NAME_CHARACTERS);

	if (len == 0 || text[len + strspn(text + len, BLANKS)] != '=')
		return NULL;
	return strndup(text, len);
}

/*
 * Is each quote in the value closed, as OpenSSL reads it: " or ' or `, in it a
 * backslash before what shall be itself? It takes an open one without a word.
 */
static bool
quotes_are_closed(const char *text)
{
	char quote = '\0';

	for (; *text != '\0' && (quote != '\0' || *text != '#'); text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else if (quote != '\0')
			quote = *text == quote ? '\0' : quote;
		else if (strchr("\"'`", *text) != NULL)
			quote = *text;
	}
	return quote == '\0';
}

/* BIO_printf(3) would leave it on the stack. */
static bool
put_setting(BIO *bio, const char *text)
{
	return BIO_puts(bio, "value ") > 0 && BIO_puts(bio, text) > 0 && BIO_puts(bio, "\n") > 0;
}

/*
 * Gives what stands behind "=", with quotes and escapes undone. The name of
 * the only setting that is known here is "value", and there is no
 * environment, so that every variable is an unknown one.
 *
 * SECURITY: superservers put what clients say there (TCPREMOTEINFO).
 */
static char *
value_of(const char *text)
{
	static char *nothing[] = { NULL };
	char **kept = environ, *value = NULL;
	CONF *conf;
	BIO *bio;
	long line;

	environ = nothing;
	openssl_begin();
	conf = NCONF_new(NULL);
	bio = BIO_new(BIO_s_mem());
	if (conf != NULL && bio != NULL && put_setting(bio, strchr(text, '=')) && NCONF_load_bio(conf, bio, &line) == 1)
		value = NCONF_get_string(conf, NULL, "value");
	if (value != NULL)
		value = strdup(value);
	environ = kept;
	BIO_free(bio);
	NCONF_free(conf);
	return value;
}

/* Why it could not be read, in OpenSSL's words where they help. */
static const char *
reason(void)
{
	unsigned long error = ERR_peek_error();
	const char *words = ERR_reason_error_string(error);

	if (ERR_GET_REASON(error) == CONF_R_VARIABLE_HAS_NO_VALUE)
		return "there are no variables here; a $ is written \\$";
	return words != NULL ? words : "it can't be understood";
}

/* Takes one line. False if it is no setting. */
static bool
take_line(const char *text, unsigned line, config_take *take, void *arg, struct config_error *error)
{
	char *name, *value;

	text += strspn(text, BLANKS);
	if (*text == '\0' || *text == '#')
		return true;
	error->line = line;
	name = name_of(text);
	if (name == NULL) {
		snprintf(error->text, sizeof(error->text), "\"name = value\" is wanted, with an option's name");
		return false;
	}
	value = value_of(text);
	if (value == NULL || !quotes_are_closed(text)) {
		snprintf(error->text, sizeof(error->text), "%.40s: %s", name, value != NULL ? "a quote is not closed" : reason());
		ERR_clear_error();
		free(name);
		free(value);
		return false;
	}
	take(arg, name, value, line);
	return true;
}

int
config_read(const char *path, config_take *take, void *arg, struct config_error *error)
{
	FILE *file = fopen(path, "re");
	static char buffer[BUFSIZ];
	unsigned line = 0, first = 1;
	bool good = true;
	char *text;

	if (file != NULL) {
		setvbuf(file, buffer, _IOFBF, sizeof(buffer));
		errno = 0;
		for (; good && (text = config_line(file, &line)) != NULL; first = line + 1) {
			good = take_line(text, first, take, arg, error);
			free_wiped(text, strlen(text));
		}
	}
	if (file == NULL || ferror(file)) {
		error->line = 0;
		snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
		good = false;
	}
	if (file != NULL)
		fclose(file);
	explicit_bzero(buffer, sizeof(buffer));
	return good ? 0 : error->line == 0 ? EX_NOINPUT : EX_CONFIG;
}
