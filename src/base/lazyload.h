#ifndef IMAPGATE_LAZYLOAD_H
#define IMAPGATE_LAZYLOAD_H

/*
 * Loads OpenSSL and PAM when they are needed. A superserver starts this program for each
 * connection, and loading both costs more than all that a client without TLS needs before its
 * login.
 *
 * The program is not linked with these libraries. Each function that it calls is a stub, which
 * jumps to the address in the library (lazyload-stubs.S). A stub may be called only after the
 * library was loaded, in a process that can still open files, and before its children are forked.
 *
 * A program that is linked with a library (tests, sanitizers, OPENSSL=static, other processors)
 * needs no loading: these functions do nothing then.
 */

#include <limits.h>
#include <stdbool.h>

/* Loads libssl and libcrypto. Returns NULL, or the reason for the failure. */
const char	*lazyload_openssl(void);

/* Loads libpam. Returns NULL, or the reason for the failure. */
const char	*lazyload_pam(void);

/*
 * Gets the directory of libpam, without a slash at its end; PAM's modules are below it. Returns
 * false if it can't be found.
 */
bool	lazyload_pam_directory(char path[PATH_MAX]);

#endif
