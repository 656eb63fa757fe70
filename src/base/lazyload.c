/*
 * Loads libraries when they are needed, see lazyload.h. Run by the monitor, gate zygote, signer
 * and --check, and by main if there is a configuration file; mostly as root. dlopen(3) searches
 * the same folders as a linked program.
 */

#include "base/lazyload.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/opensslv.h>

#include "base/log.h"

#define WORD(text)	#text
#define WORD_OF(macro)	WORD(macro)

/*
 * A function's name and address. lazyload-stubs.S lays the slots out and jumps to the addresses.
 */
struct slot {
	const char	*name;
	void		*function;
};

/* Absent in a program that is linked with the library. */
extern struct slot lazyload_openssl_first[] __attribute__((weak, visibility("hidden")));
extern struct slot lazyload_openssl_end[] __attribute__((weak, visibility("hidden")));
extern struct slot lazyload_pam_first[] __attribute__((weak, visibility("hidden")));
extern struct slot lazyload_pam_end[] __attribute__((weak, visibility("hidden")));

void	lazyload_missing(void) __attribute__((noreturn, visibility("hidden")));

/* Address of all functions until their library is loaded. */
void
lazyload_missing(void)
{
	bug("a library is used before it is loaded");
}

static const char *
find_functions(void *library, struct slot *slot, const struct slot *end)
{
	static char missing[128];

	for (; slot < end; slot++) {
		void *function = dlsym(library, slot->name);

		if (function == NULL) {
			snprintf(missing, sizeof(missing), "it has no %s", slot->name);
			return missing;
		}
		slot->function = function;
	}
	return NULL;
}

/*
 * SECURITY: the addresses are read-only, like those that ld.so has resolved, except while they
 * are set.
 */
static bool
protect(const struct slot *first, const struct slot *end, int protection)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)first & ~(page - 1);

	return mprotect((void *)from, (uintptr_t)end - from, protection) == 0;
}

static const char *
load_library(const char *name, int scope, struct slot *first, const struct slot *end)
{
	void *library;
	const char *wrong;

	if (first == end || first->function != (void *)lazyload_missing)
		return NULL;
	library = dlopen(name, RTLD_NOW | scope);
	if (library == NULL)
		return dlerror();
	if (!protect(first, end, PROT_READ | PROT_WRITE))
		return "its addresses can't be kept";
	wrong = find_functions(library, first, end);
	if (!protect(first, end, PROT_READ))
		return "its addresses can't be protected";
	return wrong;
}

const char *
lazyload_openssl(void)
{
	/* libssl depends on libcrypto, which dlsym(3) then searches too. */
	return load_library("libssl.so." WORD_OF(OPENSSL_SHLIB_VERSION), RTLD_LOCAL, lazyload_openssl_first, lazyload_openssl_end);
}

const char *
lazyload_pam(void)
{
	/* RTLD_GLOBAL: some modules are not linked with libpam and expect it in the program. */
	return load_library("libpam.so.0", RTLD_GLOBAL, lazyload_pam_first, lazyload_pam_end);
}

bool
lazyload_pam_folder(char path[PATH_MAX])
{
	const char *slash;
	Dl_info info;

	/* dlsym(3), since &pam_start may be the stub in this program. */
	if (lazyload_pam() != NULL || dladdr(dlsym(RTLD_DEFAULT, "pam_start"), &info) == 0 ||
	    (slash = strrchr(info.dli_fname, '/')) == NULL)
		return false;
	snprintf(path, PATH_MAX, "%.*s", (int)(slash - info.dli_fname), info.dli_fname);
	return true;
}
