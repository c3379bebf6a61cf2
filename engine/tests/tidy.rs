//! What the code looks like from afar: lines of code, edges between files, long structs and
//! functions. Each number has a bound. Lower it with whatever brings the number down; who raises
//! one says why.
//!
//! `cargo test -p duet-engine --test tidy -- --nocapture` prints them.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemFn, ItemImpl, ItemMod, ItemStruct, UseTree, Visibility};

/// The crates, as folders, and their lines of code at most.
const CRATES: [(&str, usize); 17] = [
    ("engine/src", 10_860),
    ("engine/base/src", 375),
    ("engine/channels/src", 5_735),
    ("engine/consensus/src", 1_915),
    ("engine/fabric/src", 2_305),
    ("engine/lanes/src", 5_930),
    ("engine/ledger/src", 6_910),
    ("engine/log/src", 2_925),
    ("loadgen/src", 8_855),
    ("loadgen/audit/src", 5_195),
    ("loadgen/experiment/src", 310),
    ("reports/src", 9_125),
    ("reports/profile/src", 985),
    ("reports/run-file/src", 3_405),
    ("reports/terminal/src", 2_205),
    ("bench/src", 2_835),
    ("bench/instructions/src", 510),
];
/// Fields of a struct of the engine at most.
const FIELDS: usize = 20;
/// Lines of a function at most; longer ones are listed.
const LINES: usize = 70;
const LONG_FUNCTIONS: usize = 22;
/// Columns of a line at most, in characters.
const COLUMNS: usize = 100;
const LONG_LINES: usize = 97;

/// A crate's files that are compiled without tests.
struct Sources {
    /// By module path: its file.
    modules: BTreeMap<Vec<String>, PathBuf>,
    files: Vec<Source>,
}

struct Source {
    path: PathBuf,
    module: Vec<String>,
    code_lines: usize,
    long_lines: usize,
    uses: Vec<Vec<String>>,
    /// What it hands on, which it needs not for itself: paths by name.
    hands_on: BTreeMap<String, Vec<String>>,
    structs: Vec<(String, usize)>,
    functions: Vec<(String, usize)>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn is_test(attributes: &[Attribute]) -> bool {
    let is_cfg_test = |attribute: &Attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|word| word == "test")
    };
    attributes.iter().any(is_cfg_test)
}

impl Sources {
    /// All of a crate, from its root on.
    fn of(folder: &Path) -> Sources {
        let mut sources = Sources {
            modules: BTreeMap::new(),
            files: Vec::new(),
        };
        let roots = ["lib.rs", "main.rs"].map(|name| folder.join(name));
        for root in roots.iter().filter(|root| root.is_file()) {
            sources.read(root, Vec::new(), folder);
        }
        sources
    }

    /// A file, and those of its modules.
    fn read(&mut self, path: &Path, module: Vec<String>, folder: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for item in &file.items {
            if let Item::Mod(ItemMod {
                attrs,
                ident,
                content: None,
                ..
            }) = item
                && !is_test(attrs)
            {
                let name = ident.to_string();
                let candidates = [
                    folder.join(format!("{name}.rs")),
                    folder.join(&name).join("mod.rs"),
                ];
                let found = candidates.iter().find(|path| path.is_file());
                let found = found.unwrap_or_else(|| panic!("no file of {name} in {folder:?}"));
                let module = [&module[..], std::slice::from_ref(&name)].concat();
                self.read(found, module, &folder.join(name));
            }
        }
        let mut seen = Seen::default();
        seen.visit_file(&file);
        let is_code = |(number, line): &(usize, &str)| {
            let line = line.trim();
            let is_tested = seen.tests.iter().any(|of| of.contains(number));
            !line.is_empty() && !line.starts_with("//") && !is_tested
        };
        self.modules.insert(module.clone(), path.to_owned());
        self.files.push(Source {
            path: path.to_owned(),
            module,
            code_lines: (1..).zip(text.lines()).filter(is_code).count(),
            long_lines: text
                .lines()
                .filter(|line| line.chars().count() > COLUMNS)
                .count(),
            uses: seen.uses,
            hands_on: seen.hands_on,
            structs: seen.structs,
            functions: seen.functions,
        });
    }

    /// The file in which what a `use` of this module names stands; none outside of the crate.
    fn leads_to(&self, from: &[String], path: &[String]) -> Option<&PathBuf> {
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            // A module of its own, or another crate.
            word => {
                let own = [from, &[word.to_owned()]].concat();
                self.modules.get(&own)?;
            }
        }
        while let Some((word, others)) = rest.split_first() {
            at.push(word.clone());
            if !self.modules.contains_key(&at) {
                at.pop();
                let file = self.files.iter().find(|file| file.module == at)?;
                return match file.hands_on.get(word) {
                    Some(path) => self.leads_to(&at, path),
                    None => Some(&file.path),
                };
            }
            rest = others;
        }
        self.modules.get(&at)
    }

    /// The sets of more than two files that lead to each other. To hand something on is no use.
    fn circles(&self) -> BTreeSet<Vec<PathBuf>> {
        let mut edges: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
        for file in &self.files {
            let to = file.uses.iter();
            let to = to.filter_map(|path| self.leads_to(&file.module, path));
            let to = to.filter(|to| **to != file.path);
            edges.insert(&file.path, to.collect());
        }
        let reached = |from: &PathBuf| -> BTreeSet<&PathBuf> {
            let (mut reached, mut next) =
                (BTreeSet::new(), vec![edges.get_key_value(from).unwrap().0]);
            while let Some(file) = next.pop() {
                for to in &edges[file] {
                    if reached.insert(*to) {
                        next.push(to);
                    }
                }
            }
            reached
        };
        let all: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            edges.keys().map(|file| (*file, reached(file))).collect();
        let circle = |file: &PathBuf| -> Vec<PathBuf> {
            let meets = all[file].iter().filter(|other| all[**other].contains(file));
            meets.map(|other| (*other).clone()).collect()
        };
        let circles = edges.keys().map(|file| circle(file));
        circles.filter(|circle| circle.len() > 2).collect()
    }
}

/// What a file has, tests aside.
#[derive(Default)]
struct Seen {
    /// Lines of tests.
    tests: Vec<std::ops::RangeInclusive<usize>>,
    uses: Vec<Vec<String>>,
    hands_on: BTreeMap<String, Vec<String>>,
    structs: Vec<(String, usize)>,
    functions: Vec<(String, usize)>,
}

impl Seen {
    fn leave_out(&mut self, item: &impl Spanned) {
        let span = item.span();
        self.tests.push(span.start().line..=span.end().line);
    }

    fn function(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        let lines = span.end().line - span.start().line + 1;
        self.functions.push((name.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        match is_test(&item.attrs) {
            true => self.leave_out(item),
            false => visit::visit_item_mod(self, item),
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        match is_test(&item.attrs) {
            true => self.leave_out(item),
            false => {
                self.function(&item.sig.ident, &item.block);
                visit::visit_item_fn(self, item);
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        match is_test(&item.attrs) {
            true => self.leave_out(item),
            false => visit::visit_item_impl(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        match is_test(&item.attrs) {
            true => self.leave_out(item),
            false => {
                self.function(&item.sig.ident, &item.block);
                visit::visit_impl_item_fn(self, item);
            }
        }
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        match is_test(&item.attrs) {
            true => self.leave_out(item),
            false => self
                .structs
                .push((item.ident.to_string(), item.fields.len())),
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            self.leave_out(item);
            return;
        }
        let mut found = Vec::new();
        paths(&item.tree, &mut Vec::new(), &mut found);
        match item.vis {
            Visibility::Inherited => self.uses.append(&mut found),
            _ => {
                let named = found.into_iter();
                let named = named.filter_map(|path| Some((path.last()?.clone(), path)));
                self.hands_on.extend(named);
            }
        }
    }
}

/// All paths of a `use`.
fn paths(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            paths(&path.tree, before, found);
            before.pop();
        }
        UseTree::Group(group) => {
            group
                .items
                .iter()
                .for_each(|tree| paths(tree, before, found));
        }
        UseTree::Name(name) => found.push([&before[..], &[name.ident.to_string()]].concat()),
        UseTree::Rename(name) => found.push([&before[..], &[name.ident.to_string()]].concat()),
        UseTree::Glob(_) => found.push(before.clone()),
    }
}

#[test]
fn nothing_grows() {
    let workspace = workspace();
    let short = |path: &Path| path.strip_prefix(&workspace).unwrap().display().to_string();
    let (mut long_structs, mut long_functions, mut long_lines) = (Vec::new(), Vec::new(), 0);
    let mut circles = Vec::new();
    for (folder, most) in CRATES {
        let sources = Sources::of(&workspace.join(folder));
        let lines: usize = sources.files.iter().map(|file| file.code_lines).sum();
        println!("{folder}: {lines} lines in {} files", sources.files.len());
        assert!(
            lines <= most,
            "{folder} has {lines} lines of code, at most {most}"
        );
        for circle in sources.circles() {
            circles.push(circle.iter().map(|path| short(path)).collect::<Vec<_>>());
        }
        for file in &sources.files {
            long_lines += file.long_lines;
            let name = short(&file.path);
            let structs = file.structs.iter().filter(|(_, fields)| *fields > FIELDS);
            if folder.starts_with("engine") {
                long_structs.extend(structs.map(|(of, fields)| format!("{name} {of}: {fields}")));
            }
            let functions = file.functions.iter().filter(|(_, lines)| *lines > LINES);
            long_functions.extend(functions.map(|(of, lines)| format!("{name} {of}: {lines}")));
        }
    }
    println!("circles of more than two files: {circles:#?}");
    println!("structs of more than {FIELDS} fields: {long_structs:#?}");
    println!("functions of more than {LINES} lines: {long_functions:#?}");
    println!("lines of more than {COLUMNS} columns: {long_lines}");
    assert!(circles.is_empty(), "files use each other: {circles:#?}");
    assert!(long_structs.is_empty(), "{long_structs:#?}");
    assert!(
        long_functions.len() <= LONG_FUNCTIONS,
        "{long_functions:#?}"
    );
    assert!(
        long_lines <= LONG_LINES,
        "{long_lines} lines of more than {COLUMNS} columns"
    );
}
