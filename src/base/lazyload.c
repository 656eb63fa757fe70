/*
 * Loads libraries when they are needed, see lazyload.h. Run by monitors, both zygotes, the signer
 * and --check, usually as root.
 *
 * SECURITY: dlopen(3) searches the same directories as the dynamic linker.
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

#define STRINGIFY_(text)	#text
#define STRINGIFY(macro)	STRINGIFY_(macro)

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

/* Target of every stub until its library is loaded. */
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
			snprintf(missing, sizeof(missing), "undefined symbol %s", slot->name);
			return missing;
		}
		slot->function = function;
	}
	return NULL;
}

/*
 * Sets the protection of the slots.
 *
 * SECURITY: they are read-only except while they are filled, like the GOT under RELRO.
 */
static bool
protect_slots(const struct slot *first, const struct slot *end, int protection)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)first & ~(page - 1);

	return mprotect((void *)from, (uintptr_t)end - from, protection) == 0;
}

static const char *
load_library(const char *name, int scope, struct slot *first, const struct slot *end)
{
	void *library;
	const char *error;

	if (first == end || first->function != (void *)lazyload_missing)
		return NULL;
	library = dlopen(name, RTLD_NOW | scope);
	if (library == NULL)
		return dlerror();
	if (!protect_slots(first, end, PROT_READ | PROT_WRITE))
		return "the stubs' addresses can't be made writable";
	error = find_functions(library, first, end);
	if (!protect_slots(first, end, PROT_READ))
		return "the stubs' addresses can't be made read-only";
	return error;
}

const char *
lazyload_openssl(void)
{
	/* libssl depends on libcrypto, which dlsym(3) then searches too. */
	return load_library("libssl.so." STRINGIFY(OPENSSL_SHLIB_VERSION), RTLD_LOCAL, lazyload_openssl_first, lazyload_openssl_end);
}

const char *
lazyload_pam(void)
{
	/* RTLD_GLOBAL: some modules are not linked with libpam and expect it in the program. */
	return load_library("libpam.so.0", RTLD_GLOBAL, lazyload_pam_first, lazyload_pam_end);
}

bool
lazyload_pam_directory(char path[PATH_MAX])
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
