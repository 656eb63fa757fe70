/* Accounts, see account.h. Run by the monitor, as root; the name comes from PAM. */

#include "monitor/account.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Returns the value of %ch and its length, or NULL if there is no such sequence. */
static const char *
template_value(const struct account *a, char ch, size_t *len)
{
	const char *at = strchr(a->name, '@'), *value;

	switch (ch) {
	case 'u':
	case 'n':
		value = a->name;
		break;
	case 'd':
		value = at != NULL ? at + 1 : "";
		break;
	case 'h':
		value = a->home;
		break;
	case '%':
		value = "%";
		break;
	default:
		return NULL;
	}
	*len = ch == 'n' && at != NULL ? (size_t)(at - value) : strlen(value);
	return value;
}

bool
account_expand(const struct account *a, const char *template, char *dst, size_t size)
{
	const char *value;
	size_t len;

	for (; *template != '\0'; template++) {
		value = template;
		len = 1;
		if (*template == '%')
			value = template_value(a, *++template, &len);
		if (value == NULL || len >= size)
			return false;
		memcpy(dst, value, len);
		dst += len;
		size -= len;
	}
	*dst = '\0';
	return true;
}

static bool
copy_text(char *dst, size_t size, const char *text)
{
	return (size_t)snprintf(dst, size, "%s", text) < size;
}

/*
 * Returns whether the parts of the name that a template uses are safe directory names.
 *
 * SECURITY: where a template makes a part of the name a directory, the part must not lead
 * elsewhere: with "joe@.." the home would be beside the domains, and "example.org", which has no
 * domain, would be the directory of that whole domain.
 */
static bool
is_safe_template(const struct account *a, const char *template)
{
	const char *at = template, *value;
	size_t len;

	for (; (at = strchr(at, '%')) != NULL && at[1] != '\0'; at += 2) {
		value = template_value(a, at[1], &len);
		/*
		 * An empty part, or one with these first characters, would be another directory,
		 * or an option of the mailbox program.
		 */
		if (value != NULL && at[1] != '%' && at[1] != 'h' && (len == 0 || value[0] == '.' || value[0] == '-'))
			return false;
	}
	return true;
}

static bool
are_templates_safe(const struct account *a, const struct options *o)
{
	size_t i;

	if (o->home != NULL && !is_safe_template(a, o->home))
		return false;
	for (i = 0; o->program != NULL && o->program[i] != NULL; i++)
		if (!is_safe_template(a, o->program[i]))
			return false;
	for (i = 0; i < o->n_setenv; i++)
		if (!is_safe_template(a, strchr(o->setenv[i], '=')))
			return false;
	return true;
}

static void
set_home(struct account *a, const char *template)
{
	char home[PATH_MAX];

	if (!account_expand(a, template, home, sizeof(home)))
		home[0] = '\0';
	copy_text(a->home, sizeof(a->home), home);
}

/*
 * Returns the reason of a failed getpwnam(3), by errno: the man page lists the values for an
 * unknown user; any other means that the database failed.
 */
static const char *
lookup_error(void)
{
	switch (errno) {
	case 0:
	case ENOENT:
	case ESRCH:
	case EBADF:
	case EPERM:
		return ACCOUNT_UNKNOWN;
	default:
		return ACCOUNT_NO_DIRECTORY;
	}
}

bool
account_is_missing(const char *reason)
{
	return strcmp(reason, ACCOUNT_UNKNOWN) == 0 || strcmp(reason, ACCOUNT_NO_DIRECTORY) == 0;
}

const char *
account_find(struct account *a, const struct options *o, const char *name)
{
	const struct passwd *pw;

	memset(a, 0, sizeof(*a));
	errno = 0;
	pw = getpwnam(o->run_as != NULL ? o->run_as : name);
	if (pw == NULL)
		return lookup_error();
	a->uid = pw->pw_uid;
	/* SECURITY: neither root nor a system account has a mailbox. */
	if (pw->pw_uid == 0 || pw->pw_uid < o->min_uid)
		return "uid";
	if (geteuid() != 0 && pw->pw_uid != geteuid())
		return "uid";
	a->gid = pw->pw_gid;
	if (!copy_text(a->name, sizeof(a->name), name) || !copy_text(a->owner, sizeof(a->owner), pw->pw_name) ||
	    !copy_text(a->home, sizeof(a->home), pw->pw_dir) || !copy_text(a->shell, sizeof(a->shell), pw->pw_shell))
		return ACCOUNT_UNKNOWN;
	if (!are_templates_safe(a, o))
		return ACCOUNT_BAD_NAME;
	if (o->home != NULL)
		set_home(a, o->home);
	return NULL;
}
