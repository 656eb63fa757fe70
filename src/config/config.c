/*
 * The file of --config, see config.h. Run by options_parse() at the start, with the initial
 * privileges, usually root; config_line() is also used by --check. The input is the
 * administrator's.
 */

#include "config/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

/* Characters in names of options. */
#define NAME_CHARACTERS	"abcdefghijklmnopqrstuvwxyz-"
#define BLANKS		" \t"

/*
 * Removes the line's end. Returns true if the next line continues this one: it ends in one
 * backslash, not in two (config(5)).
 */
static bool
is_continued(char *text, size_t *len)
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

/*
 * SECURITY: values may be secrets of the mailbox program, and a gate is forked from this process
 * later.
 */
static void
wipe_and_free(char *text, size_t size)
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
		more = is_continued(part, &part_len);
		longer = malloc(len + part_len + 1);
		if (longer == NULL)
			die("can't allocate %zu octets", len + part_len);
		memcpy(longer, whole != NULL ? whole : "", len);
		wipe_and_free(whole, len);
		whole = longer;
		memcpy(whole + len, part, part_len + 1);
		len += part_len;
		++*line;
	}
	wipe_and_free(part, size);
	return whole;
}

/* Returns a copy of the name before "=", or NULL if it is not a name. */
static char *
copy_name(const char *text)
{
	size_t len = strspn(text, NAME_CHARACTERS);

	if (len == 0 || text[len + strspn(text + len, BLANKS)] != '=')
		return NULL;
	return strndup(text, len);
}

/*
 * Skips one character by the rules of OpenSSL's config(5): ", ' and ` each open and close a
 * quote, and a backslash is skipped with the character that it escapes.
 */
static const char *
skip_char(const char *text, char *quote)
{
	if (*text == '\\' && text[1] != '\0')
		text++;
	else if (*quote != '\0')
		*quote = *text == *quote ? '\0' : *quote;
	else if (strchr("\"'`", *text) != NULL)
		*quote = *text;
	return text + 1;
}

/* Returns whether each quote in the value is closed. */
static bool
quotes_are_closed(const char *text)
{
	char quote = '\0';

	while (*text != '\0' && (quote != '\0' || *text != '#'))
		text = skip_char(text, &quote);
	return quote == '\0';
}

/* Returns the length of the word at the beginning of the text. */
static size_t
word_length(const char *text)
{
	const char *at = text;
	char quote = '\0';

	while (*at != '\0' && (quote != '\0' || strchr(BLANKS "#", *at) == NULL))
		at = skip_char(at, &quote);
	return (size_t)(at - text);
}

/* Returns the character that an escape outside of quotes stands for (OpenSSL's config(5)). */
static char
unescape_char(char c)
{
	static const char letters[] = "nrtb", meanings[] = "\n\r\t\b";
	const char *letter = strchr(letters, c);

	return letter != NULL && c != '\0' ? meanings[letter - letters] : c;
}

/*
 * Copies a value without quotes, escapes, a comment and the blanks around it, by the rules of
 * OpenSSL's config(5). Takes a buffer as long as the text. Returns false if there is a "$" that
 * would begin a variable there.
 */
static bool
unquote_value(const char *text, char *value)
{
	char quote = '\0', *end = value;
	const char *next;

	for (text += strspn(text, BLANKS); *text != '\0' && (quote != '\0' || *text != '#'); text = next) {
		char was = quote;

		next = skip_char(text, &quote);
		if (was != quote)
			continue;
		if (*text == '$' && quote == '\0')
			return false;
		if (next - text == 2)
			*value++ = quote == '\0' ? unescape_char(text[1]) : text[1];
		else
			*value++ = *text;
		if (next - text == 2 || quote != '\0' || strchr(BLANKS, *text) == NULL)
			end = value;
	}
	*end = '\0';
	return true;
}

/* A file being read. */
struct reading {
	const char		*command;	/* setting whose value is a list of words */
	config_take		*take;
	void			*arg;
	struct config_error	*error;
};

/* Passes the first len octets of a text to take, as a value. Returns false if they are invalid. */
static bool
take_value(const struct reading *r, const char *name, const char *text, size_t len)
{
	char *part = strndup(text, len), *own = strdup(name), *value = malloc(len + 1);
	bool good;

	if (part == NULL || own == NULL || value == NULL)
		die("can't allocate %zu octets", len);
	good = unquote_value(part, value);
	wipe_and_free(part, len);
	if (good) {
		r->take(r->arg, own, value, r->error->line);
		return true;
	}
	snprintf(r->error->text, sizeof(r->error->text), "%.40s: variables are not supported; write \\$ for a $", name);
	free(own);
	wipe_and_free(value, len);
	return false;
}

static bool
take_words(const struct reading *r, const char *name, const char *text)
{
	size_t len;

	text += strspn(text, BLANKS);
	do {
		len = word_length(text);
		if (!take_value(r, name, text, len))
			return false;
		text += len + strspn(text + len, BLANKS);
	} while (*text != '\0' && *text != '#');
	return true;
}

/* Parses one line. Returns false if it is not a setting. */
static bool
take_line(const struct reading *r, const char *text, unsigned line)
{
	const char *value;
	char *name;
	bool good;

	text += strspn(text, BLANKS);
	if (*text == '\0' || *text == '#')
		return true;
	r->error->line = line;
	name = copy_name(text);
	if (name == NULL) {
		snprintf(r->error->text, sizeof(r->error->text), "not an option; expected \"name = value\"");
		return false;
	}
	value = strchr(text, '=') + 1;
	good = quotes_are_closed(value);
	if (!good)
		snprintf(r->error->text, sizeof(r->error->text), "%.40s: a quote is not closed", name);
	else if (r->command != NULL && strcmp(name, r->command) == 0)
		good = take_words(r, name, value);
	else
		good = take_value(r, name, value, strlen(value));
	free(name);
	return good;
}

/*
 * SECURITY: the file names what root executes. Owner and mode are those of the open file, so it
 * can't be replaced after this test.
 */
static bool
is_writable_by_others(FILE *file)
{
	struct stat st;

	if (geteuid() != 0 || fstat(fileno(file), &st) == -1 || S_ISDIR(st.st_mode))
		return false;
	return st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

static bool
take_lines(const struct reading *r, FILE *file)
{
	unsigned line = 0, first = 1;
	bool good = true;
	char *text;

	for (; good && (text = config_line(file, &line)) != NULL; first = line + 1) {
		good = take_line(r, text, first);
		wipe_and_free(text, strlen(text));
	}
	return good;
}

int
config_read(const char *path, const char *command, config_take *take, void *arg, struct config_error *error)
{
	const struct reading r = { command, take, arg, error };
	FILE *file = fopen(path, "re");
	static char buffer[BUFSIZ];
	int status = EX_CONFIG;

	error->line = 0;
	if (file != NULL && is_writable_by_others(file))
		snprintf(error->text, sizeof(error->text), "users other than root can change it, and so what root executes; chown root: and chmod go-w it");
	else if (file != NULL) {
		setvbuf(file, buffer, _IOFBF, sizeof(buffer));
		errno = 0;
		status = take_lines(&r, file) ? 0 : EX_CONFIG;
	}
	if (file == NULL || ferror(file)) {
		error->line = 0;
		snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
		status = EX_NOINPUT;
	}
	if (file != NULL)
		fclose(file);
	explicit_bzero(buffer, sizeof(buffer));
	return status;
}
