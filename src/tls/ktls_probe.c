/*
 * Testing the kernel for TLS, see ktls_probe.h. Run by the listener, by a superserver's imapgate,
 * and by --check; as root if imapgate was started as root, because loading a module needs
 * privilege. Reads nothing.
 */

#include "tls/ktls_probe.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Interval between attempts to load a missing module, in milliseconds. */
#define MISSING_MS	60000

/* The socket works as before until it gets keys (Documentation/networking/tls.rst). */
enum ktls_obstacle
ktls_probe_socket(int fd)
{
	static const char tls[] = "tls";
	static int64_t missing_until;

	/*
	 * Loading a missing module starts a process in the kernel, and a listener would wait for
	 * it each time.
	 */
	if (missing_until != 0 && clock_left(missing_until) > 0)
		return OBSTACLE_MODULE;
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, tls, sizeof(tls) - 1) == 0)
		return OBSTACLE_NONE;
	if (errno == ENOENT)
		missing_until = clock_ms() + MISSING_MS;
	return errno == ENOTCONN ? OBSTACLE_HALF_CLOSED : OBSTACLE_MODULE;
}

/*
 * Connects a TCP socket to itself by a simultaneous open (RFC 9293, 3.5), so no second socket is
 * needed.
 */
static bool
connect_to_itself(int fd)
{
	struct sockaddr_in self = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(self);

	return bind(fd, (struct sockaddr *)&self, len) == 0 && getsockname(fd, (struct sockaddr *)&self, &len) == 0 &&
	    connect(fd, (struct sockaddr *)&self, len) == 0;
}

static bool
install_test_keys(int fd)
{
	const struct tls12_crypto_info_aes_gcm_128 keys = { .info = { TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128 } };

	return setsockopt(fd, SOL_TLS, TLS_RX, &keys, sizeof(keys)) == 0 && setsockopt(fd, SOL_TLS, TLS_TX, &keys, sizeof(keys)) == 0;
}

enum ktls_obstacle
ktls_probe_kernel(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;
	enum ktls_obstacle obstacle = OBSTACLE_SOCKET;

	if (fd != -1 && connect_to_itself(fd))
		obstacle = ktls_probe_socket(fd);
	if (obstacle == OBSTACLE_NONE && !install_test_keys(fd))
		obstacle = OBSTACLE_KERNEL;
	error = errno;
	if (fd != -1)
		close(fd);
	errno = error;
	return obstacle;
}
