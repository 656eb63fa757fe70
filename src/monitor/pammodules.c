/*
 * PAM's modules, see pammodules.h. Run by the monitor zygote, as root; reads files of the
 * administrator.
 *
 * SECURITY: PAM's files may hold passwords of databases. A child reads them, reports which
 * libraries it has loaded for them, and exits; the zygote loads the same libraries, so nothing
 * of the files is in its memory or in its monitors'.
 */

#include "monitor/pammodules.h"

#include <dlfcn.h>
#include <link.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileid.h"
#include "base/lazyload.h"
#include "monitor/pamauth.h"

/* Modules and the libraries that they need. */
#define MODULES_MAX	128

/* Octets of all their names. */
#define NAMES_MAX	(16 * 1024)

/* Time for the child. */
#define CHILD_SECONDS	10

static struct module {
	char		*path;
	void		*handle;	/* from dlopen(3) */
	struct fileid	 id;
} modules[MODULES_MAX];
static size_t n;

static int
count_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	++*(size_t *)arg;
	return 0;
}

/* The list of libraries, in memory that the child shares with the zygote. */
struct list {
	size_t	skip;		/* number of libraries that were loaded before PAM's start */
	size_t	len;		/* octets of names, including NULs */
	char	names[NAMES_MAX];
};

/* Libraries come in the order in which they were loaded (dl_iterate_phdr(3)). */
static int
list_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct list *l = arg;
	size_t len = strlen(info->dlpi_name) + 1;

	(void)size;
	if (l->skip > 0) {
		l->skip--;
		return 0;
	}
	if (len > sizeof(l->names) - l->len)
		return -1;
	memcpy(l->names + l->len, info->dlpi_name, len);
	l->len += len;
	return 0;
}

static int
refuse_conversation(int messages, const struct pam_message **message, struct pam_response **response, void *arg)
{
	(void)messages;
	(void)message;
	(void)response;
	(void)arg;
	return PAM_CONV_ERR;
}

/* Runs the child: starts PAM, and lists the libraries that were loaded for it. */
static void __attribute__((noreturn))
list_modules(const struct options *o, struct list *l)
{
	const struct pam_conv conv = { refuse_conversation, NULL };
	pam_handle_t *handle;

	alarm(CHILD_SECONDS);
	dl_iterate_phdr(count_library, &l->skip);
	_exit(pamauth_begin(o, o->pam_service, NULL, &conv, &handle) == PAM_SUCCESS && dl_iterate_phdr(list_library, l) == 0 ? 0 : 1);
}

static bool
ask_child(const struct options *o, struct list *l)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		list_modules(o, l);
	return child != -1 && waitpid(child, &status, 0) == child && status == 0;
}

static void
unload(void)
{
	while (n > 0) {
		n--;
		dlclose(modules[n].handle);
		free(modules[n].path);
	}
}

/*
 * SECURITY: the file's identity is read before the file is loaded, so that a replacement at any
 * time is noticed.
 */
static void
load_module(const char *path)
{
	struct module *m = &modules[n];

	fileid_get(&m->id, path);
	m->path = strdup(path);
	m->handle = m->path != NULL ? dlopen(path, RTLD_NOW) : NULL;
	if (m->handle != NULL)
		n++;
	else
		free(m->path);
}

void
pammodules_load(const struct options *o)
{
	char path[PATH_MAX];
	struct list *l;
	size_t at;

	if (lazyload_pam() != NULL || !pamauth_find_service(o, o->pam_service, path))
		return;
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return;
	if (ask_child(o, l))
		for (at = 0; at < l->len && n < MODULES_MAX; at += strlen(l->names + at) + 1)
			load_module(l->names + at);
	munmap(l, sizeof(*l));
}

void
pammodules_refresh(const struct options *o)
{
	struct fileid now;
	size_t i;

	for (i = 0; i < n; i++) {
		fileid_get(&now, modules[i].path);
		if (memcmp(&now, &modules[i].id, sizeof(now)) == 0)
			continue;
		unload();
		pammodules_load(o);
		return;
	}
}
