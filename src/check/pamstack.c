/*
 * Checks of a PAM service, see pamstack.h. Run by --check, usually as root; reads files of the
 * administrator. PAM reports an error in a stack only during a login, so this file parses PAM's
 * files as PAM does.
 */

#include "check/pamstack.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lazyload.h"
#include "check/child.h"
#include "check/finding.h"
#include "config/config.h"
#include "monitor/pamauth.h"

#define BLANKS		" \t"
#define DEPTH_MAX	16

/* Types of modules, and the function that each must have (pam(3)). */
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
	char			 crlf_file[PATH_MAX];	/* last file reported for CR LF */
};

/* A line of a service's file. */
struct entry {
	const char		*file;
	unsigned		 line;
	const struct type	*type;
	bool			 may_be_missing; /* "-auth": PAM ignores a missing module */
	const char		*control;
	const char		*module;	/* or the included file */
};

static void	check_file(struct stack *, const char *file, const struct type *only, unsigned depth);

/* --- modules */

/*
 * Fills the path of a module: absolute, in "security" beside libpam, or in one of the usual
 * directories.
 */
static void
module_path(char path[PATH_MAX], const char *module)
{
	static const char *const dirs[] = { "/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib" };
	char directory[PATH_MAX];
	size_t i;

	if (module[0] == '/') {
		snprintf(path, PATH_MAX, "%s", module);
		return;
	}
	if (lazyload_pam_directory(directory) && snprintf(path, PATH_MAX, "%s/security/%s", directory, module) < PATH_MAX &&
	    access(path, F_OK) == 0)
		return;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, PATH_MAX, "%s/security/%s", dirs[i], module);
		if (access(path, F_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s", module);
}

/* Loads a module. Run in a child, since its constructors may crash (a child_task). */
static void
load_module(void *arg, int fd)
{
	const struct entry *e = arg;
	char path[PATH_MAX];
	void *handle;

	module_path(path, e->module);
	handle = dlopen(path, RTLD_NOW);
	if (handle == NULL)
		dprintf(fd, "%s", dlerror());
	else if (dlsym(handle, e->type->function) == NULL)
		dprintf(fd, "%s has no %s: it is not a module for \"%s\"", path, e->type->function, e->type->name);
	/* Skips destructors of the module's libraries. */
	_exit(0);
}

/*
 * Checks that a module can be loaded. Only required and requisite ones must: a failure of others is
 * a warning.
 */
static void
check_module(struct stack *s, const struct entry *e)
{
	bool needed = strcasecmp(e->control, "required") == 0 || strcasecmp(e->control, "requisite") == 0;
	char error[512], path[PATH_MAX], where[PATH_MAX + 16];

	s->modules[e->type - types]++;
	module_path(path, e->module);
	if (e->may_be_missing && access(path, F_OK) == -1)
		return;
	child_run(load_module, (void *)e, error, sizeof(error));
	if (error[0] == '\0')
		return;
	s->faulty = true;
	snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
	finding_report(needed ? FINDING_ERROR : FINDING_WARNING, where, "%s (%s): %s; install the module's package, or remove the line",
	    e->module, e->control, error);
}

/* --- files */

static void
check_include(struct stack *s, const struct entry *e, const struct type *only, unsigned depth)
{
	char path[PATH_MAX], where[PATH_MAX + 16];

	snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
	/* Linux-PAM 1.5.2 searches only the system's directories for an included file. */
	if (s->opts->pam_confdir != NULL && e->module[0] != '/')
		finding_report(FINDING_WARNING, where, "PAM may look for %s in the system's directory and not in --pam-confdir; give its absolute path",
		    e->module);
	if (pamauth_find_service(s->opts, e->module, path)) {
		check_file(s, path, only, depth + 1);
		return;
	}
	s->faulty = true;
	finding_report(FINDING_ERROR, where, "included file %s does not exist", e->module);
}

/* Returns the next word or "[...]", and advances text. */
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

/* Return values of modules by their names in pam.conf(5), and "default". */
static const char *const returns[] = { "success", "open_err", "symbol_err", "service_err", "system_err", "buf_err", "perm_denied", "auth_err",
	"cred_insufficient", "authinfo_unavail", "user_unknown", "maxtries", "new_authtok_reqd", "acct_expired", "session_err", "cred_unavail",
	"cred_expired", "cred_err", "no_module_data", "conv_err", "authtok_err", "authtok_recover_err", "authtok_lock_busy",
	"authtok_disable_aging", "try_again", "ignore", "abort", "authtok_expired", "module_unknown", "bad_item", "conv_again", "incomplete",
	"default", NULL };
static const char *const actions[] = { "ignore", "bad", "die", "ok", "done", "reset", NULL };
static const char *const controls[] = { "required", "requisite", "sufficient", "optional", NULL };

static bool
is_one_of(const char *const words[], const char *word, size_t len)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == len && strncmp(*words, word, len) == 0)
			return true;
	return false;
}

/*
 * Takes a "value=action" of a control in brackets; the action may be a number of modules to
 * skip. Returns false if it is invalid.
 */
static bool
take_rule(const char **text)
{
	const char *at = *text;
	size_t len = strcspn(at, BLANKS "=]");
	bool known = is_one_of(returns, at, len);

	at += len;
	at += strspn(at, BLANKS);
	if (!known || *at != '=')
		return false;
	at += 1 + strspn(at + 1, BLANKS);
	len = strcspn(at, BLANKS "]");
	*text = at + len;
	return is_one_of(actions, at, len) || (len > 0 && at[0] != '0' && strspn(at, "0123456789") == len);
}

static bool
is_include(const char *control)
{
	return strcasecmp(control, "include") == 0 || strcasecmp(control, "substack") == 0;
}

/* Returns whether PAM understands the control; otherwise it treats every result as a failure. */
static bool
is_control(const char *text)
{
	const char *const *word;

	for (word = controls; text[0] != '[' && *word != NULL; word++)
		if (strcasecmp(*word, text) == 0)
			return true;
	if (*text++ != '[')
		return is_include(text - 1);
	for (;;) {
		text += strspn(text, BLANKS);
		if (*text == ']')
			return true;
		if (*text == '\0' || !take_rule(&text))
			return false;
	}
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

/* Checks one line: type, control, module and arguments; or "@include" and a file (Debian). */
static void
check_line(struct stack *s, char *text, struct entry *e, const struct type *only, unsigned depth)
{
	char where[PATH_MAX + 16], *word;

	text[strcspn(text, "#")] = '\0';
	word = take_word(&text);
	if (word[0] == '\0')
		return;
	e->may_be_missing = word[0] == '-';
	e->type = find_type(word + e->may_be_missing);
	if (strcmp(word, "@include") == 0) {
		e->module = take_word(&text);
		check_include(s, e, only, depth);
		return;
	}
	e->control = take_word(&text);
	e->module = take_word(&text);
	snprintf(where, sizeof(where), "%s:%u", e->file, e->line);
	if (e->type == NULL || e->module[0] == '\0') {
		finding_report(FINDING_ERROR, where, "expected \"type control module\" (pam.conf(5))");
		s->faulty = true;
	} else if (only != NULL && only != e->type)
		return;
	else if (is_include(e->control))
		check_include(s, e, e->type, depth);
	else
		check_module(s, e);
	if (e->type != NULL && e->module[0] != '\0' && !is_control(e->control)) {
		finding_report(FINDING_ERROR, where, "unknown control %s: PAM treats every result of the module as a failure (pam.conf(5))", e->control);
		s->faulty = true;
	}
}

/* Reports CR LF line endings, once per file: PAM takes the CR as part of the last word. */
static void
check_line_endings(struct stack *s, const char *file, FILE *f)
{
	char *text = NULL, where[PATH_MAX + 16];
	unsigned line = 0;
	size_t size = 0;
	ssize_t n;

	while (strcmp(s->crlf_file, file) != 0 && (n = getline(&text, &size, f)) > 0) {
		line++;
		text[strcspn(text, "#\n")] = '\0';
		if (text[0] == '\0' || text[strlen(text) - 1] != '\r')
			continue;
		snprintf(where, sizeof(where), "%s:%u", file, line);
		finding_report(FINDING_ERROR, where, "its line endings are CR LF, and PAM takes the CR as part of the last word; sed -i 's/\\r$//' %s", file);
		s->faulty = true;
		snprintf(s->crlf_file, sizeof(s->crlf_file), "%s", file);
	}
	free(text);
	rewind(f);
}

static bool
is_regular(FILE *f)
{
	struct stat st;

	return fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
}

/* Checks a file. only limits it to lines of that type; NULL: all lines. */
static void
check_file(struct stack *s, const char *file, const struct type *only, unsigned depth)
{
	FILE *f = fopen(file, "re");
	unsigned line = 0, first = 1;
	char *text;

	if (f == NULL || depth > DEPTH_MAX || !is_regular(f)) {
		finding_report(FINDING_ERROR, file, f == NULL ? "it can't be read" : depth > DEPTH_MAX ?
		    "includes are nested too deep; does it include itself?" : "it is not a regular file");
		s->faulty = true;
	} else {
		check_line_endings(s, file, f);
		for (; (text = config_line(f, &line)) != NULL; first = line + 1) {
			check_line(s, text, &(struct entry){ .file = file, .line = first }, only, depth);
			free(text);
		}
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
		finding_report(FINDING_ERROR, subject, "no such file in %s; every login is refused as unavailable; put one there, or name another "
		    "service with %s", o->pam_confdir != NULL ? o->pam_confdir : "/etc/pam.d or the system's other PAM directories",
		    service == o->oauth_service ? "--oauth-service" : "--pam-service");
		return;
	}
	check_file(&s, path, NULL, 0);
	for (i = 0; i < used; i++) {
		modules += s.modules[i];
		if (s.modules[i] == 0)
			finding_report(FINDING_WARNING, path, "it has no \"%s\" line: PAM uses the service \"other\" for it", types[i].name);
	}
	if (!s.faulty)
		finding_report(FINDING_OK, subject, "%s: all %u modules can be loaded", path, modules);
}
