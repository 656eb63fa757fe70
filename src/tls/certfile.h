#ifndef IMAPGATE_CERTFILE_H
#define IMAPGATE_CERTFILE_H

/*
 * Files of certificates and revocation lists, in which private keys may stand
 * too. Keys are cut out before OpenSSL sees the text, and wiped: OpenSSL
 * decodes whatever it passes over, and stdio keeps what it has read.
 */

#include <openssl/bio.h>
#include <stddef.h>

/* A chain of a dozen certificates, in octets. */
#define CERTFILE_CHAIN_MAX	(64 * 1024)

/* Authorities and revocation lists: of the latter some have many thousand entries. */
#define CERTFILE_LIST_MAX	(64 * 1024 * 1024)

/*
 * Reads a PEM file of up to max octets. Returns what certfile_cut leaves of
 * it, to be freed by BIO_free; NULL with errno if the file can't be read or
 * is larger (EFBIG).
 */
BIO	*certfile_read(const char *path, size_t max);

/*
 * Keeps of PEM text (RFC 7468) the blocks of certificates and revocation
 * lists, in place, as they are: a block that is broken stays broken. A block
 * without an end is cut where the next one begins. Wipes the rest. Returns how
 * many octets are left.
 */
size_t	certfile_cut(char *text, size_t len);

#endif
