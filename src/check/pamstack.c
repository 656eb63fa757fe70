/*
 * A PAM service, see pamstack.h. PAM itself says in no way what is wrong with a
 * stack until a login meets it, so its files are read here as it reads them.
 */

#include "check/pamstack.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/attempt.h"
#include "check/finding.h"
#include "config.h"
#include "monitor/pamauth.h"
#include "ondemand.h"

#define BLANKS		" \t"
#define DEPTH_MAX	16

/* What a login asks of a service, and how a module answers it (pam(3)). */
static const struct type {
	const char	*name;
	const char	*function;
} types[] = {
	{ "auth", "pam_sm_authenticate" },
	{ "account", "pam_sm_acct_mgmt" },
	{ "session", "pam_sm_open_session" },
	{ "password", "pam_sm_chauthtok" },
};
#define TYPES	(sizeof(types) / sizeof(types[0]))

struct stack {
	const struct options	*opts;
	unsigned		 modules[TYPES];
	bool			 faulty;
};

/* A line of a service's file. */
struct entry {
	const char		*file;
	unsigned		 line;
	const struct type	*type;
	bool			 may_miss;	/* "-auth": PAM is silent if there is no such module */
	const char		*control;
	const char		*module;	/* or what is included */
};

static void	read_service(struct stack *, const char *file, const struct type *only, unsigned depth);

/* --- modules */

/* Where libpam looks for modules without a slash: "security" beside itself, on all systems that we know. */
static void
module_path(char path[PATH_MAX], const char *module)
{
	static const char *const dirs[] = { "/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib" };
	char folder[PATH_MAX];
	size_t i;

	if (module[0] == '/') {
		snprintf(path, PATH_MAX, "%s", module);
		return;
	}
	if (ondemand_pam_folder(folder) && snprintf(path, PATH_MAX, "%s/security/%s", folder, module) < PATH_MAX && access(path, F_OK) == 0)
		return;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, PATH_MAX, "%s/security/%s", dirs[i], module);
		if (access(path, F_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s", module);
}

/* An attempt_try: whether a module can be loaded, in a process that may die of it. */
static void
load(void *arg, int fd)
{
	const struct entry *e = arg;
	char path[PATH_MAX];
	void *handle;

	module_path(path, e->module);
	handle = dlopen(path, RTLD_NOW);
	if (handle == NULL)
		dprintf(fd, "%s", dlerror());
	else if (dlsym(handle, e->type->function) == NULL)
		dprintf(fd, "%s has no %s: it is no module for \"%s\"", path, e->type->function, e->type->name);
	/* Destructors of a module's libraries are none of this check's business. */
	_exit(0);
}

/* Only required and requisite modules are sure to be missed; "[...]" may say anything. */
static void
check_module(struct stack *s, const struct entry *e)
{
	bool needed = strcmp(e->control, "required") == 0 || strcmp(e->control, "requisite") == 0;
	char wrong[512], path[PATH_MAX], where[PATH_MAX + 16];

	s->modules[e->type - types]++;
	module_path(path, e->module);
	if (e->may_miss && access(path, F_OK) == -1)
		return;
	attempt(load, (void *)e, wrong, sizeof(wrong));
	if (wrong[0] == '\0')
		return;
	s->faulty = true;
	snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
	finding(needed ? FINDING_ERROR : FINDING_WARNING, where, "%s (%s): %s; install the module's package, or take the line out",
	    e->module, e->control, wrong);
}

/* --- files */

static void
include(struct stack *s, const struct entry *e, const struct type *only, unsigned depth)
{
	char path[PATH_MAX], where[PATH_MAX + 16];

	snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
	if (pamauth_find_service(s->opts, e->module, path)) {
		read_service(s, path, only, depth + 1);
		return;
	}
	s->faulty = true;
	finding(FINDING_ERROR, where, "it includes %s, which is not there", e->module);
}

/* Takes "[...]", or one word. */
static char *
take_word(char **text)
{
	char *word = *text + strspn(*text, BLANKS), *end;

	end = word[0] == '[' ? strchrnul(word, ']') : word;
	end += strcspn(end, BLANKS);
	*text = end + (*end != '\0');
	*end = '\0';
	return word;
}

static const struct type *
find_type(const char *name)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if (strcasecmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* One line: type, control, module and arguments; or "@include" and a file (Debian's addition). */
static void
read_entry(struct stack *s, char *text, struct entry *e, const struct type *only, unsigned depth)
{
	char where[PATH_MAX + 16], *word;

	text[strcspn(text, "#")] = '\0';
	word = take_word(&text);
	if (word[0] == '\0')
		return;
	e->may_miss = word[0] == '-';
	e->type = find_type(word + e->may_miss);
	if (strcmp(word, "@include") == 0) {
		e->module = take_word(&text);
		include(s, e, only, depth);
		return;
	}
	e->control = take_word(&text);
	e->module = take_word(&text);
	if (e->type == NULL || e->module[0] == '\0') {
		snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
		finding(FINDING_ERROR, where, "\"type control module\" is wanted (pam.conf(5))");
		s->faulty = true;
	} else if (only != NULL && only != e->type)
		return;
	else if (strcmp(e->control, "include") == 0 || strcmp(e->control, "substack") == 0)
		include(s, e, e->type, depth);
	else
		check_module(s, e);
}

/* Reads a file, or of an included one the lines of the including line's type only. */
static void
read_service(struct stack *s, const char *file, const struct type *only, unsigned depth)
{
	FILE *f = fopen(file, "re");
	unsigned line = 0, first = 1;
	char *text;

	if (f == NULL || depth > DEPTH_MAX) {
		finding(FINDING_ERROR, file, f == NULL ? "it can't be read" : "it includes itself");
		s->faulty = true;
	} else
		for (; (text = config_line(f, &line)) != NULL; first = line + 1) {
			read_entry(s, text, &(struct entry){ .file = file, .line = first }, only, depth);
			free(text);
		}
	if (f != NULL)
		fclose(f);
}

void
pamstack_check(const struct options *o, const char *service)
{
	struct stack s = { .opts = o };
	char path[PATH_MAX], subject[300];
	size_t i, used = o->pam_session != PAM_SESSION_NONE ? 3 : 2;
	unsigned modules = 0;

	snprintf(subject, sizeof(subject), "PAM service %s", service);
	if (!pamauth_find_service(o, service, path)) {
		finding(FINDING_ERROR, subject, "there is no such file in %s; every login is refused as unavailable", o->pam_confdir != NULL ?
		    o->pam_confdir : "/etc/pam.d");
		return;
	}
	read_service(&s, path, NULL, 0);
	for (i = 0; i < used; i++) {
		modules += s.modules[i];
		if (s.modules[i] == 0)
			finding(FINDING_WARNING, path, "it has no \"%s\" line: PAM goes by the service \"other\" there", types[i].name);
	}
	if (!s.faulty)
		finding(FINDING_OK, subject, "%s, whose %u modules can be loaded", path, modules);
}
