//! Drives a headless Chromium over its DevTools pipe: opens pages, sees every request, console
//! message and error, and looks at them as a phone, a dark screen or a printer would.

use std::{
    cell::RefCell,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A shared machine may be slow to start a browser.
const PATIENCE: Duration = Duration::from_secs(90);

/// The names under which systems install it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Where Chromium is, if it is installed.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// A running browser with one tab.
pub(crate) struct Browser {
    child: Child,
    commands: RefCell<ChildStdin>,
    answers: Receiver<Value>,
    session: String,
    next_id: RefCell<u64>,
    events: RefCell<Vec<Value>>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it, with nothing of its own to fetch and no name that resolves.
    pub(crate) fn start(program: &Path) -> Self {
        let profile = TempDir::new().unwrap();
        // DevTools listens on descriptors 3 and 4; what Chromium itself prints goes elsewhere.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<&0 4>&1 1>/dev/null 2>/dev/null")
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-default-browser-check",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-extensions",
                "--disable-sync",
                "--disable-quic",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(stdout).split(0) {
                let Ok(message) = message else { break };
                let value = serde_json::from_slice(&message).unwrap();
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            commands: RefCell::new(commands),
            answers,
            session: String::new(),
            next_id: RefCell::new(0),
            events: RefCell::new(Vec::new()),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let session = browser.call(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a page and waits until it is loaded and quiet.
    pub(crate) fn open(&self, url: &str) -> Seen {
        self.events.borrow_mut().clear();
        let opened = self.call("Page.navigate", json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        let deadline = Instant::now() + PATIENCE;
        while !self.happened("Page.loadEventFired") {
            assert!(self.wait(deadline), "{url} was not loaded in time");
        }
        // What a page asks for after it is loaded counts too.
        let quiet = Instant::now() + Duration::from_millis(300);
        while self.wait(quiet) {}
        self.seen()
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true}),
        );
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// What assistive technology is told: role and name of each node that is not ignored.
    pub(crate) fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let word = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .filter(|node| node["ignored"] == false)
            .map(|node| (word(&node["role"]), word(&node["name"])))
            .collect()
    }

    /// Shows the page on a screen of this size, and in dark mode if asked for.
    pub(crate) fn screen(&self, width: u32, height: u32, dark: bool) {
        let phone = width < 600;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width, "height": height, "mobile": phone,
                "deviceScaleFactor": if phone { 2 } else { 1 },
            }),
        );
        let scheme = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// A picture of the whole page as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let picture = self.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true}),
        );
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// The page as it would be printed, as PDF.
    pub(crate) fn print(&self) -> Vec<u8> {
        let pdf = self.call("Page.printToPDF", json!({"printBackground": false}));
        STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap()
    }

    /// Lets links with `download` write into a folder.
    pub(crate) fn allow_downloads(&self, folder: &Path) {
        self.call(
            "Page.setDownloadBehavior",
            json!({"behavior": "allow", "downloadPath": folder}),
        );
    }

    /// Everything that came of the page that is open.
    pub(crate) fn seen(&self) -> Seen {
        while self.wait(Instant::now() + Duration::from_millis(50)) {}
        let mut seen = Seen::default();
        for event in self.events.borrow().iter() {
            let parameters = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str().unwrap();
                    seen.requests.push(url.to_owned());
                }
                "Network.webSocketCreated" => {
                    seen.requests
                        .push(parameters["url"].as_str().unwrap().to_owned());
                }
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                    seen.complaints.push(parameters.to_string());
                }
                _ => {}
            }
        }
        seen
    }

    fn happened(&self, method: &str) -> bool {
        self.events
            .borrow()
            .iter()
            .any(|event| event["method"] == method)
    }

    /// Takes one event; false if none came until then.
    fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.answers.recv_timeout(left) {
            Ok(event) => {
                self.events.borrow_mut().push(event);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => panic!("Chromium ended"),
        }
    }

    fn call(&self, method: &str, parameters: Value) -> Value {
        let id = {
            let mut next = self.next_id.borrow_mut();
            *next += 1;
            *next
        };
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        let mut commands = self.commands.borrow_mut();
        commands.write_all(&bytes).unwrap();
        commands.flush().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.answers.recv_timeout(left);
            let message = message.unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] != id {
                self.events.borrow_mut().push(message);
                continue;
            }
            assert!(message["error"].is_null(), "{method}: {}", message["error"]);
            return message["result"].clone();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers go with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a page.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The address of each request, the page's own first.
    pub(crate) requests: Vec<String>,
    /// Console messages, errors, and what the browser itself complained of.
    pub(crate) complaints: Vec<String>,
}
