<?php
// Shows message 2 with PHP's imap extension, which is the c-client library. The certificate is in SSL_CERT_FILE.
// Arguments: the port, cleartext|starttls|tls, the user, the password.
[, $port, $security, $user, $password] = $argv;
$flags = ['cleartext' => '/notls', 'starttls' => '/tls', 'tls' => '/ssl'][$security];

$imap = imap_open('{localhost:' . $port . '/imap' . $flags . '}INBOX', $user, $password, OP_READONLY, 1);
if ($imap) {
	echo imap_fetchheader($imap, 2), imap_body($imap, 2, FT_PEEK);
	imap_close($imap);
}
fwrite(STDERR, implode("\n", imap_errors() ?: []));
exit($imap ? 0 : 1);
