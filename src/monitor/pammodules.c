/*
 * PAM's modules, see pammodules.h. Run by the monitor zygote, as root; reads files of the
 * administrator.
 *
 * SECURITY: PAM's configuration files may hold database passwords. A child reads the files,
 * reports which libraries it has loaded for them, and exits; the zygote loads the same libraries.
 * So nothing of the files is in the memory of the zygote or of its monitors.
 */

#include "monitor/pammodules.h"

#include <dlfcn.h>
#include <link.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileid.h"
#include "base/lazyload.h"
#include "monitor/pamauth.h"

/* Largest number of modules and of libraries they need. */
#define MODULES_MAX	128

/* Room for the names of all libraries, in octets. */
#define NAMES_MAX	(16 * 1024)

/* Seconds until SIGALRM, which is not blocked, kills the child. */
#define CHILD_SECONDS	10

static struct module {
	char		*path;
	void		*handle;	/* from dlopen(3) */
	struct fileid	 id;
} modules[MODULES_MAX];
static size_t modules_loaded;

static int
count_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	++*(size_t *)arg;
	return 0;
}

/* The list of libraries, in memory that the child shares with the zygote. */
struct library_list {
	size_t	skip;		/* number of libraries that were loaded before pam_start(3) */
	size_t	len;		/* octets of names, including NULs */
	char	names[NAMES_MAX];
};

/*
 * Appends a library's name, skipping those loaded before (dl_iterate_phdr(3) keeps the order of
 * loading).
 */
static int
append_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct library_list *list = arg;
	size_t len = strlen(info->dlpi_name) + 1;

	(void)size;
	if (list->skip > 0) {
		list->skip--;
		return 0;
	}
	if (len > sizeof(list->names) - list->len)
		return -1;
	memcpy(list->names + list->len, info->dlpi_name, len);
	list->len += len;
	return 0;
}

static int
fail_conversation(int messages, const struct pam_message **message, struct pam_response **response, void *arg)
{
	(void)messages;
	(void)message;
	(void)response;
	(void)arg;
	return PAM_CONV_ERR;
}

/* Starts PAM, lists the libraries that were loaded for it, and exits. */
static void __attribute__((noreturn))
list_libraries_and_exit(const struct options *o, struct library_list *list)
{
	const struct pam_conv conv = { fail_conversation, NULL };
	pam_handle_t *handle;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_SECONDS);
	dl_iterate_phdr(count_library, &list->skip);
	_exit(pamauth_begin(o, o->pam_service, NULL, &conv, &handle) == PAM_SUCCESS && dl_iterate_phdr(append_library, list) == 0 ? 0 : 1);
}

static bool
list_libraries_in_child(const struct options *o, struct library_list *list)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		list_libraries_and_exit(o, list);
	return child != -1 && waitpid(child, &status, 0) == child && status == 0;
}

static void
unload_modules(void)
{
	while (modules_loaded > 0) {
		modules_loaded--;
		dlclose(modules[modules_loaded].handle);
		free(modules[modules_loaded].path);
	}
}

/*
 * Loads a module, or a library that one needs. Does nothing on failure.
 *
 * SECURITY: reads the file's identity before the file is loaded, so that a replacement at any
 * time is noticed.
 */
static void
preload_library(const char *path)
{
	struct module *m = &modules[modules_loaded];

	fileid_get(&m->id, path);
	m->path = strdup(path);
	m->handle = m->path != NULL ? dlopen(path, RTLD_NOW) : NULL;
	if (m->handle != NULL)
		modules_loaded++;
	else
		free(m->path);
}

void
pammodules_load(const struct options *o)
{
	char path[PATH_MAX];
	struct library_list *list;
	size_t at;

	if (lazyload_pam() != NULL || !pamauth_find_service(o, o->pam_service, path))
		return;
	list = mmap(NULL, sizeof(*list), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (list == MAP_FAILED)
		return;
	if (list_libraries_in_child(o, list))
		for (at = 0; at < list->len && modules_loaded < MODULES_MAX; at += strlen(list->names + at) + 1)
			preload_library(list->names + at);
	munmap(list, sizeof(*list));
}

void
pammodules_refresh(const struct options *o)
{
	struct fileid now;
	size_t i;

	for (i = 0; i < modules_loaded; i++) {
		fileid_get(&now, modules[i].path);
		if (memcmp(&now, &modules[i].id, sizeof(now)) == 0)
			continue;
		unload_modules();
		pammodules_load(o);
		return;
	}
}
