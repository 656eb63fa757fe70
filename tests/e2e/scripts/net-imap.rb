# Shows message 2 with Ruby's net-imap.
# Arguments: the port, cleartext|starttls|tls, the user, the password, the certificate to trust.
require "net/imap"

port, security, user, password, certificate = ARGV
trust = { ca_file: certificate, verify_mode: OpenSSL::SSL::VERIFY_PEER }

imap = Net::IMAP.new("localhost", port: port.to_i, ssl: security == "tls" && trust)
imap.starttls(**trust) if security == "starttls"
imap.login(user, password)
imap.select("INBOX")
puts imap.fetch(2, "BODY.PEEK[]")[0].attr["BODY[]"]
imap.logout
imap.disconnect
