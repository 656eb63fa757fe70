"""More clients: the libraries of other languages, each by a script in scripts/."""

from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
JARS = ("/usr/share/java/bsh.jar", "/usr/share/java/javax.mail.jar", "/usr/share/java/javax.activation.jar")


def _run(errand, *interpreter):
    return errand.run(*interpreter, errand.port, errand.security, errand.user, errand.password, errand.certificate.file,
                      SSL_CERT_FILE=str(errand.certificate.file))


def perl_imapclient(errand):
    return _run(errand, "perl", SCRIPTS / "mail-imapclient.pl")


def ruby_net_imap(errand):
    return _run(errand, "ruby", SCRIPTS / "net-imap.rb")


def php_imap(errand):
    return _run(errand, "php", SCRIPTS / "imap.php")


def java_mail(errand):
    return _run(errand, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", ":".join(JARS),
                "bsh.Interpreter", SCRIPTS / "javamail.bsh")


LIBRARIES = {function.__name__: function for function in (perl_imapclient, ruby_net_imap, php_imap, java_mail)}

NEEDS = {
    "perl_imapclient": ("perl", "/usr/share/perl5/Mail/IMAPClient.pm"),
    "ruby_net_imap": ("ruby",),
    "php_imap": ("php", "/usr/lib/php/*/imap.so"),
    "java_mail": ("java", *JARS),
}
