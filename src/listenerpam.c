/*
 * PAM before there is a client, see listenerpam.h. Run by the listener, as
 * root. PAM does not tell which files it reads, so they are looked through
 * for the names of others. That is done without PAM's grammar: whatever could
 * name a file is taken for one. To look at one too many costs a system call;
 * one too few would be a change that nobody sees.
 *
 * Not seen are a name with blanks or brackets in it, and the upgrade of a
 * module, which is loaded already. What modules read is theirs to look at, at
 * each login.
 */

#include "listenerpam.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "monitor/pamauth.h"
#include "ondemand.h"
#include "stamp.h"

/* Debian's stack is ten files. */
#define FILES_MAX	64
#define PATH_SIZE	256

/* What is between words: where a line goes on is a backslash, and brackets are PAM's quotes (pam.conf(5)). */
#define SEPARATORS	" \t\r\n\\[]"

static struct file {
	char		path[PATH_SIZE];
	bool		names;		/* other files */
	struct stamp	stamp;
} files[FILES_MAX];

static size_t n;
static bool all;			/* that there are; else what is not known here may have changed at any time */
static const struct options *opts;

static void
note(const char *path, bool names)
{
	struct file *f = &files[n];
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(files[i].path, path) == 0 && files[i].names == names)
			return;
	if (n == FILES_MAX || strlen(path) >= PATH_SIZE) {
		all = false;
		return;
	}
	strcpy(f->path, path);
	f->names = names;
	stamp_take(&f->stamp, path);
	n++;
}

/* Each place down to the one where PAM finds it: it may be missing in the others today and be there tomorrow. */
static void
note_service(const char *confdir, const char *service)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; pamauth_place(confdir, service, i, path); i++) {
		note(path, true);
		if (access(path, R_OK) == 0)
			return;
	}
}

/* For what is included libpam 1.5 of Debian looks among the system's files, whatever the directory of the service is. */
static void
note_included(const char *name)
{
	note_service(opts->pam_confdir, name);
	if (opts->pam_confdir != NULL)
		note_service(NULL, name);
}

/* Beside libpam: a module that is not there yet can be installed. */
static void
note_modules(void)
{
	char path[PATH_MAX], folder[PATH_MAX];

	if (!ondemand_pam_folder(folder) || snprintf(path, sizeof(path), "%s/security", folder) >= (int)sizeof(path))
		return;
	note(path, false);
}

static bool
is_include(const char *word)
{
	return strcasecmp(word, "@include") == 0 || strcasecmp(word, "include") == 0 || strcasecmp(word, "substack") == 0;
}

/* What is included, and modules that have a whole path. */
static void
note_words(char *line, bool *included)
{
	char *word, *rest;

	for (word = strtok_r(line, SEPARATORS, &rest); word != NULL; word = strtok_r(NULL, SEPARATORS, &rest)) {
		if (*included)
			note_included(word);
		else if (word[0] == '/')
			note(word, false);
		*included = is_include(word);
	}
}

static void
note_names(const char *file)
{
	FILE *f = fopen(file, "re");
	bool included = false;
	char *line = NULL;
	size_t size = 0;

	if (f == NULL) {
		/* This process may lack what it has again in a moment. */
		all = all && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);
		return;
	}
	while (getline(&line, &size, f) != -1) {
		line[strcspn(line, "#")] = '\0';
		note_words(line, &included);
	}
	free(line);
	fclose(f);
}

/* Files are looked at before PAM reads them: what changes in between is another file the next time. */
static void
prepare(void)
{
	size_t i;

	n = 0;
	all = true;
	/* The folder itself: if there is none on this system, PAM has but one file. */
	note_service(opts->pam_confdir, "");
	if (opts->pam_confdir == NULL)
		note("/etc/pam.conf", true);
	note_service(opts->pam_confdir, opts->pam_service);
	if (opts->oauth_service != NULL)
		note_service(opts->pam_confdir, opts->oauth_service);
	/* For what a service has no line for. */
	note_service(opts->pam_confdir, "other");
	note_modules();
	for (i = 0; i < n; i++)
		if (files[i].names)
			note_names(files[i].path);
	pamauth_prepare(opts);
}

static bool
have_changed(void)
{
	struct stamp now;
	size_t i;

	for (i = 0; i < n; i++) {
		stamp_take(&now, files[i].path);
		if (memcmp(&now, &files[i].stamp, sizeof(now)) != 0)
			return true;
	}
	return false;
}

void
listenerpam_start(const struct options *o)
{
	opts = o;
	prepare();
}

bool
listenerpam_refresh(void)
{
	if (all && !have_changed())
		return false;
	prepare();
	return true;
}
