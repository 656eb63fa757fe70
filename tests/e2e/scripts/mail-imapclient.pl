# Shows message 2 with Perl's Mail::IMAPClient.
# Arguments: the port, cleartext|starttls|tls, the user, the password, the certificate to trust.
use strict;
use warnings;
use Mail::IMAPClient;

my ($port, $security, $user, $password, $certificate) = @ARGV;
my @trust = (SSL_ca_file => $certificate, SSL_verify_mode => 1, SSL_verifycn_scheme => 'imap');
my %wanted = (
	cleartext => [],
	starttls => [Starttls => \@trust],
	tls => [Ssl => \@trust],
);

my $imap = Mail::IMAPClient->new(Server => 'localhost', Port => $port, User => $user, Password => $password,
	Timeout => 20, Uid => 0, Peek => 1, @{$wanted{$security}}) or die "$@\n";
$imap->select('INBOX') or die $imap->LastError . "\n";
print $imap->message_string(2) // die $imap->LastError . "\n";
$imap->logout or die $imap->LastError . "\n";
