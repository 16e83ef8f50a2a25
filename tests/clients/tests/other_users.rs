//! Programs of other users at the readers of `vschsm exec`: daemons that root starts and that
//! become somebody else, and strangers.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::net::TcpListener;

use clients::{Finished, User, installed, library};

/// Starts a web server whose key and certificate are on the card, as root, and asks it four times.
/// `$SERVER` is its command line; it ends in the end.
const SERVE: &str = r#"
    cd "$FOLDER"
    pkcs15-tool --read-certificate 10 --output certificate.pem
    $SERVER &
    server=$!
    trap 'kill $server; wait $server' EXIT
    ask() {
        OPENSSL_CONF= openssl s_client -connect 127.0.0.1:$PORT -servername localhost \
            -CAfile certificate.pem -verify_return_error </dev/null 2>&1
    }
    until ask >/dev/null; do
        kill -0 $server
        sleep 0.1
    done
    for time in 1 2 3 4; do
        ask >response
        echo "$time: $(grep -m 1 -o 'Verify return code.*' response)"
    done
    for process in /proc/[0-9]*; do
        if grep -qs "^PPid:[[:space:]]*$server\$" $process/status; then
            echo "a worker of user $(stat --format %U $process)"
        fi
    done"#;

/// Has a web server serve TLS with its configuration, in which `FOLDER` and `PORT` stand for what
/// they are.
fn serves_tls(program: &str, arguments: &str, configuration: &str) -> Finished {
    installed("pkcs15-tool");
    library("engines-3/pkcs11.so");
    let server = installed(program);
    let user = User::who_runs_the_tests();
    let card = ["new", "./server.card", "--initialize", "--pin", "648219", "--seed", program];
    let key = ["--key", "rsa:2048,id=10", "--cert", "10=CN=localhost"];
    user.vschsm(&[&card[..], &key].concat()).run().succeeded();
    // Free for now, and hardly taken by the time it is wanted.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let folder = user.home().to_str().unwrap();
    user.write("server.conf", configuration.replace("FOLDER", folder).replace("PORT", &port));
    user.write("openssl.cnf", ENGINE);
    let card = user.home().join("server.card");
    let exec = ["exec", "--card", card.to_str().unwrap(), "--socket-group", "www-data", "--"];
    let module = library("opensc-pkcs11.so");
    let environment = [
        format!("FOLDER={folder}"),
        format!("PORT={port}"),
        format!("SERVER={} {}", server.display(), arguments.replace("FOLDER", folder)),
        format!("OPENSSL_CONF={folder}/openssl.cnf"),
        format!("PKCS11_MODULE_PATH={}", module.display()),
    ];
    let environment: Vec<_> = environment.iter().map(String::as_str).collect();
    let command = [&["env"], &environment[..], &["sh", "-e", "-c", SERVE]].concat();
    user.vschsm_of_root(&[&exec[..], &command].concat()).run()
}

/// The engine that looks for keys on cards. It has to be ready before nginx asks for a key.
const ENGINE: &str = "\
openssl_conf = begin
[begin]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
init = 1
";

/// What a server says in either case that serves as it should.
fn is_served(finished: Finished) {
    let served = finished.succeeded().never_says("may not connect");
    (1..=4)
        .fold(served, |served, time| served.says(&format!("{time}: Verify return code: 0 (ok)")))
        .says("a worker of user www-data");
}

/// The first line is that of Debian's nginx.conf; its workers become that user.
#[test]
fn nginx_serves_tls_with_a_key_on_the_card() {
    let configuration = r#"
        user www-data;
        worker_processes 2;
        daemon off;
        pid FOLDER/pid;
        error_log stderr;
        events { worker_connections 16; }
        env PCSCLITE_CSOCK_NAME;
        http {
            access_log off;
            client_body_temp_path FOLDER/body;
            proxy_temp_path FOLDER/proxy;
            fastcgi_temp_path FOLDER/fastcgi;
            uwsgi_temp_path FOLDER/uwsgi;
            scgi_temp_path FOLDER/scgi;
            server {
                listen 127.0.0.1:PORT ssl;
                ssl_certificate FOLDER/certificate.pem;
                ssl_certificate_key "engine:pkcs11:pkcs11:id=%10;type=private;pin-value=648219";
            }
        }"#;
    is_served(serves_tls("nginx", "-p FOLDER -c FOLDER/server.conf", configuration));
}

#[test]
fn apache_serves_tls_with_a_key_on_the_card() {
    let configuration = r#"
        ServerRoot "FOLDER"
        ServerName localhost
        DefaultRuntimeDir "FOLDER"
        PidFile "FOLDER/pid"
        ErrorLog /dev/stderr
        Listen 127.0.0.1:PORT
        User www-data
        Group www-data
        LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
        LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
        LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
        LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
        SSLCryptoDevice pkcs11
        SSLEngine on
        SSLCertificateFile "FOLDER/certificate.pem"
        SSLCertificateKeyFile "pkcs11:id=%10;type=private;pin-value=648219"
        "#;
    is_served(serves_tls("apache2", "-DFOREGROUND -f FOLDER/server.conf", configuration));
}

/// Runs a script below root's `vschsm exec`; in it, `stranger` runs a command as `nobody`, and
/// `member` as `nobody` in the group `www-data` besides its own.
fn with_strangers(options: &[&str], script: &str) -> Finished {
    installed("opensc-tool");
    installed("setpriv");
    let user = User::new();
    let program = user.program().to_str().unwrap();
    let script = format!(
        "vschsm={program}
        as_nobody='setpriv --reuid=65534 --regid=65534'
        stranger() {{ $as_nobody --clear-groups \"$@\"; }}
        member() {{ $as_nobody --groups=33 \"$@\"; }}
        {script}"
    );
    let exec = [&["exec"], options, &["--", "sh", "-c", &script]].concat();
    user.vschsm_of_root(&exec).run()
}

#[test]
fn a_stranger_is_turned_away_and_named_once_and_the_doctor_tells_why() {
    let script = "
        stranger opensc-tool --list-readers 2>&1 | grep ' Yes ' && exit 1
        stranger opensc-tool --list-readers 2>&1 | grep ' Yes ' && exit 1
        stranger $vschsm doctor -- true && exit 2
        stranger $vschsm ctl list && exit 3
        opensc-tool --list-readers";

    for options in [&[][..], &["--socket-group", "www-data"], &["--socket-user", "33"]] {
        let done = with_strangers(options, script).succeeded().says(" Yes ");

        let named = "vschsm: user 65534 (nobody) may not connect and was rejected";
        assert_eq!(done.text().matches(named).count(), 1, "{options:?}: {done}");
        done.says("user 65534 (nobody) may not connect and was rejected; --socket-user")
            .says("Permission denied");
    }
}

#[test]
fn a_user_and_a_group_that_are_let_in_find_the_card_and_not_its_control() {
    for (options, who) in [
        (["--socket-user", "nobody"], "stranger"),
        (["--socket-user", "65534"], "stranger"),
        (["--socket-group", "nogroup"], "stranger"),
        (["--socket-group", "www-data"], "member"),
        (["--socket-group", "33"], "member"),
    ] {
        let script = "
            WHO opensc-tool --list-readers || exit 1
            WHO $vschsm doctor || exit 2
            WHO $vschsm ctl list && exit 3
            exit 0";

        let done = with_strangers(&options, &script.replace("WHO", who)).succeeded();

        done.says(" Yes ")
            .says("whose server accepts user 65534 (nobody)")
            .says("Permission denied")
            .never_says("was rejected");
    }
}

/// As between containers: the server sees no process at the other end.
#[test]
fn a_client_outside_of_the_server_s_pid_namespace_is_served() {
    installed("unshare");
    let user = User::new();
    let program = user.program().to_str().unwrap();
    let script = format!(
        "unshare --pid --fork {program} run --ephemeral --pcsc-socket $FOLDER/socket \
            --ready-file $FOLDER/ready &
        server=$!
        trap 'kill $(cat /proc/$server/task/$server/children); wait $server' EXIT
        until [ -e $FOLDER/ready ]; do kill -0 $server || exit; sleep 0.1; done
        PCSCLITE_CSOCK_NAME=$FOLDER/socket opensc-tool --list-readers"
    );
    let folder = format!("FOLDER={}", user.home().display());
    let run = user.of_root("env", &[&folder, "sh", "-c", &script]).run();

    run.succeeded().says(" Yes ");
}
