#ifndef IMAPGATE_LAZYLOAD_H
#define IMAPGATE_LAZYLOAD_H

/*
 * OpenSSL and PAM, loaded when there is a use for them. A superserver starts
 * this program for each connection, and to load these two costs more than all
 * that a client without TLS wants; one that only says LOGOUT needs neither.
 *
 * So the program is not linked with them. Each of their functions that it
 * calls is a jump to wherever the library turns out to be (lazyload-stubs.S),
 * and there is nowhere to jump to before one of these functions is called: in
 * a process that can open files, before its children are born.
 *
 * Where the program is linked with a library all the same (tests, sanitizers,
 * OPENSSL=static, other processors), there is nothing to be done here.
 */

#include <limits.h>
#include <stdbool.h>

/* OpenSSL's libssl and libcrypto. Returns NULL, or why they can't be loaded. */
const char	*lazyload_openssl(void);

/* libpam. Returns NULL, or why it can't be loaded. */
const char	*lazyload_pam(void);

/* The folder that libpam is in, without a slash at its end: its modules are below it. False if that can't be found out. */
bool	lazyload_pam_folder(char path[PATH_MAX]);

#endif
