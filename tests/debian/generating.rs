//! What the scripts of packages would have generated, of packages with the files and scripts that Debian's have.

use super::debs::{Deb, deb};
use super::{Project, app, text};

/// Builds an image of the packages, which `app` depends on.
fn built(packages: &[Deb], more: &str) -> std::collections::BTreeMap<String, super::Entry> {
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let project = Project::new(&[&[app(&names.join(", "))], packages].concat(), &format!("packages = [\"app\"]{more}"));
    project.files(&[])
}

/// Says whether bytes are in a file.
fn holds(files: &std::collections::BTreeMap<String, super::Entry>, path: &str, wanted: &[u8]) -> bool {
    files[path].content.windows(wanted.len()).any(|part| part == wanted)
}

#[test]
fn php_has_its_modules_switched_on_for_every_interface() {
    let packages = [
        deb("php8.4-common", "1")
            .file("usr/share/php8.4-common/common/pdo.ini", b"; priority=10\nextension=pdo.so\n")
            .file("usr/share/php8.4-common/common/ctype.ini", b"extension=ctype.so\n")
            .file("usr/lib/php/8.4/php.ini-production", b"for servers\n")
            .file("usr/lib/php/8.4/php.ini-production.cli", b"for commands\n"),
        deb("php8.4-cli", "1").file("usr/lib/php/8.4/sapi/cli", b"").script("postinst", "#!/bin/sh\nucf a b\n"),
        deb("php8.4-fpm", "1").file("usr/lib/php/8.4/sapi/fpm", b""),
        deb("php8.4-redis", "1").file("etc/php/8.4/mods-available/redis.ini", b"; priority=25\nextension=redis.so\n"),
    ];
    let files = built(&packages, "");
    assert_eq!(text(&files, "etc/php/8.4/mods-available/pdo.ini"), "; priority=10\nextension=pdo.so\n");
    for interface in ["cli", "fpm"] {
        let link = |name: &str| text(&files, &format!("etc/php/8.4/{interface}/conf.d/{name}"));
        assert_eq!(link("10-pdo.ini"), "->/etc/php/8.4/mods-available/pdo.ini");
        assert_eq!(link("25-redis.ini"), "->/etc/php/8.4/mods-available/redis.ini");
        assert_eq!(link("20-ctype.ini"), "->/etc/php/8.4/mods-available/ctype.ini");
    }
    assert_eq!(
        (text(&files, "etc/php/8.4/cli/php.ini"), text(&files, "etc/php/8.4/fpm/php.ini")),
        ("for commands\n".into(), "for servers\n".into())
    );
    assert_eq!(text(&files, "var/log/php8.4-fpm.log"), "->/dev/stderr");
}

#[test]
fn xml_and_sgml_catalogs_lead_to_those_of_packages() {
    let script = "#!/bin/sh\nset -e\nif [ \"$1\" = \"configure\" ]; then\n\
        update-xmlcatalog --sort --add --type public --id \"-//A//DTD B//EN\" --package docs --local /usr/share/xml/docs/catalog.xml\n\
        update-xmlcatalog --sort --add --type system --id \"http://b/\" --package docs --local /usr/share/xml/docs/catalog.xml\n\
        update-xmlcatalog --sort --add --type uri --id \"http://gone/\" --package docs --local /usr/share/xml/gone/catalog.xml\n\
        update-xmlcatalog --sort --add --type public --id \"-//A//DTD B\" --package docs --root\n\
        update-xmlcatalog --sort --add --type public --id \"-//C//DTD\" --package absent --root\nfi\n";
    let packages = [
        deb("xml-core", "1"),
        deb("sgml-base", "1"),
        deb("docs", "1")
            .script("postinst", script)
            .file("usr/share/xml/docs/catalog.xml", b"<catalog/>")
            .file("etc/sgml/docs.cat", b"CATALOG x\n"),
    ];
    let files = built(&packages, "");
    let lines = |path: &str| text(&files, path).lines().skip(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        lines("etc/xml/docs.xml"),
        [
            "<delegatePublic publicIdStartString=\"-//A//DTD B//EN\" catalog=\"file:///usr/share/xml/docs/catalog.xml\"/>",
            "<delegateSystem systemIdStartString=\"http://b/\" catalog=\"file:///usr/share/xml/docs/catalog.xml\"/>",
            "</catalog>",
        ]
    );
    assert_eq!(
        lines("etc/xml/catalog"),
        ["<delegatePublic publicIdStartString=\"-//A//DTD B\" catalog=\"file:///etc/xml/docs.xml\"/>", "</catalog>"]
    );
    assert_eq!(lines("var/lib/sgml-base/supercatalog"), ["CATALOG /etc/sgml/docs.cat"]);
    assert_eq!(text(&files, "etc/sgml/catalog"), "->/var/lib/sgml-base/supercatalog");
}

#[test]
fn the_mime_database_comes_with_gdk_pixbuf_and_is_compiled() {
    let types = "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'><mime-type type='image/png'><glob pattern='*.png'/></mime-type></mime-info>";
    let loaders = "usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0";
    let packages = [
        deb("libgdk-pixbuf-2.0-0", "2.42.12+dfsg-4")
            .field("Depends: shared-mime-info")
            .file(&format!("{loaders}/loaders/libpixbufloader-gif.so"), b"loader")
            .file(&format!("{loaders}/loaders/unknown.so"), b"loader"),
        deb("shared-mime-info", "2").file("usr/share/mime/packages/freedesktop.org.xml", types.as_bytes()),
    ];
    let files = built(&packages, "");
    assert!(
        files["usr/share/mime/mime.cache"].content.starts_with(&[0, 1, 0, 2]) && holds(&files, "usr/share/mime/mime.cache", b"image/png\0")
    );
    let expected = format!(
        "# GdkPixbuf Image Loader Modules file\n# Automatically generated file, do not edit\n# Created by gdk-pixbuf-query-loaders from gdk-pixbuf-2.42.12\n#\n\
         \"/{loaders}/loaders/libpixbufloader-gif.so\"\n\"gif\" 4 \"gdk-pixbuf\" \"GIF\" \"LGPL\"\n\"image/gif\" \"\"\n\"gif\" \"\"\n\"GIF8\" \"\" 100\n\n\n"
    );
    assert_eq!(text(&files, &format!("{loaders}/loaders.cache")), expected);
}

#[test]
fn settings_have_compiled_schemas_with_overrides() {
    let schema = "<schemalist><schema id='a.b' path='/a/'><key name='on' type='b'><default>false</default></key></schema></schemalist>";
    let packages = [
        deb("libglib2.0-0t64", "1"),
        deb("schemas", "1").file("usr/share/glib-2.0/schemas/a.gschema.xml", schema.as_bytes()),
        deb("overrides", "1").file("usr/share/glib-2.0/schemas/10_b.gschema.override", b"[a.b]\non=true\n"),
    ];
    let path = "usr/share/glib-2.0/schemas/gschemas.compiled";
    let files = built(&packages, "");
    assert!(files[path].content.starts_with(b"GVariant") && holds(&files, path, b"\x01\0(b)"));
    assert!(holds(&built(&packages[..2], ""), path, b"\0\0(b)"));
    assert!(!built(&packages[..1], "").contains_key(path));
}

#[test]
fn a_broken_schema_is_told_with_its_path_and_what_to_do() {
    let broken = deb("schemas", "1").file("usr/share/glib-2.0/schemas/a.gschema.xml", b"<schemalist>");
    let project = Project::new(&[app("libglib2.0-0t64, schemas"), deb("libglib2.0-0t64", "1"), broken], "packages = [\"app\"]");
    let said = project.bad(2, &["build", "-o", "oci:out"]);
    assert!(said.contains("`/usr/share/glib-2.0/schemas/a.gschema.xml` is not well-formed XML"), "{said}");
    assert!(said.contains("`exclude`"), "{said}");
    project.recipe("packages = [\"app\"]\nexclude = [\"schemas\"]");
    project.good(&["build", "-q", "-o", "oci:out"]);
}

#[test]
fn graphviz_knows_the_plug_ins_that_are_there() {
    let folder = "usr/lib/x86_64-linux-gnu/graphviz";
    let plugin = |name: &str| format!("{folder}/libgvplugin_{name}.so.6");
    let files = built(&[deb("libgvc6", "2").file(&plugin("dot_layout"), b"x").file(&plugin("webp"), b"x")], "");
    let list = text(&files, &format!("{folder}/config6a"));
    let named: Vec<&str> = list.lines().filter(|line| line.starts_with("lib")).collect();
    assert_eq!(named, ["libgvplugin_dot_layout.so.6 dot_layout {", "libgvplugin_webp.so.6 webp {"]);
    assert!(list.starts_with("# This file was generated by \"dot -c\"") && list.ends_with("}\n"), "{list}");
}

#[test]
fn a_plug_in_that_no_table_has_is_told_as_missing() {
    let pixbuf = "usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0";
    let graphviz = "usr/lib/x86_64-linux-gnu/graphviz";
    let packages = [
        app("libgdk-pixbuf-2.0-0, libgvc6, more"),
        deb("libgdk-pixbuf-2.0-0", "2").file(&format!("{pixbuf}/loaders/libpixbufloader-gif.so"), b"x"),
        deb("libgvc6", "2").file(&format!("{graphviz}/libgvplugin_core.so.6"), b"x"),
        deb("more", "1")
            .file(&format!("{pixbuf}/loaders/libpixbufloader-new.so"), b"x")
            .file(&format!("{pixbuf}/loaders/README"), b"x")
            .file(&format!("{graphviz}/libgvplugin_new.so.6"), b"x")
            .file(&format!("{graphviz}/libgvplugin_new.so.6.0.0"), b"x"),
    ];
    let project = Project::new(&packages, "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for wanted in [
        format!("the image lacks `/{pixbuf}/loaders.cache`"),
        format!("an entry for `/{pixbuf}/loaders/libpixbufloader-new.so`"),
        format!("the image lacks `/{graphviz}/config6a`"),
        format!("an entry for `/{graphviz}/libgvplugin_new.so.6`,"),
    ] {
        assert!(said.contains(&wanted), "{wanted}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.contains("warning")).count(), 2, "{said}");
    project.recipe("packages = [\"app\"]\nexclude = [\"more\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("an entry for"), "{said}");
}

#[test]
fn scripts_of_packages_with_generated_files_are_followed_too() {
    let ini = "usr/share/php8.4-xml/xml/dom.ini";
    let script = format!(
        "#!/bin/sh\nucf /{ini} /etc/php/8.4/mods-available/dom.ini\nphp_invoke enmod 8.4 ALL dom\ninstall -d /var/lib/php8.4-xml\nxml-setup\n"
    );
    let packages = [
        app("php8.4-common, php8.4-cli, php8.4-xml"),
        deb("php8.4-common", "1"),
        deb("php8.4-cli", "1").file("usr/lib/php/8.4/sapi/cli", b""),
        deb("php8.4-xml", "1").file(ini, b"extension=dom.so\n").script("postinst", &script),
    ];
    let project = Project::new(&packages, "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("warning")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("the package `php8.4-xml`"), "{said}");
    assert!(said.contains("what `xml-setup` makes"), "{said}");
    let files = super::files_of(&project.path("out"));
    assert_eq!(text(&files, "etc/php/8.4/cli/conf.d/20-dom.ini"), "->/etc/php/8.4/mods-available/dom.ini");
    assert!(files.contains_key("var/lib/php8.4-xml"));
}

#[test]
fn apache_reads_what_scripts_switch_on() {
    let available = |name: &str, text: &str, package: Deb| package.file(&format!("etc/apache2/{name}"), text.as_bytes());
    let script = "#!/bin/bash\nenable() {\n  for module in alias auth_basic \\\n    absent; do\n    a2enmod -m -q $module\n  done\n}\na2enmod -m -q mpm_event\nenable\n\
        for conf in security; do\na2enconf -m -q $conf\ndone\na2ensite -q 000-default\n";
    let mut apache = deb("apache2", "1").script("postinst", script).file("usr/share/apache2/default-site/index.html", b"It works");
    for (name, content) in [
        ("mods-available/mpm_event.load", "# Conflicts: mpm_prefork\n"),
        ("mods-available/mpm_prefork.load", "# Conflicts: mpm_event\n"),
        ("mods-available/mpm_prefork.conf", ""),
        ("mods-available/alias.load", ""),
        ("mods-available/alias.conf", ""),
        ("mods-available/auth_basic.load", "# Depends: authn_core\n"),
        ("mods-available/authn_core.load", ""),
        ("mods-available/unused.load", ""),
        ("conf-available/security.conf", ""),
        ("sites-available/000-default.conf", ""),
    ] {
        apache = available(name, content, apache);
    }
    let module = deb("libapache2-mod-php8.4", "1")
        .script(
            "postinst",
            "#!/bin/sh\nphp_enable() {\n  if apache2_switch_mpm prefork; then return 0; fi\n  return 1\n}\n\
             if php_enable; then\n  for conf in php8.4 ; do\n    apache2_invoke enmod $conf || exit 1\n  done\nfi\n",
        )
        .file("etc/apache2/mods-available/php8.4.load", b"# Depends: mpm_prefork\nLoadModule php_module x.so\n");
    let asking = |name: &str, code: u8| {
        let script =
            format!("#!/bin/sh\non() {{ return {code}; }}\nif on; then\nfor conf in {name}; do apache2_invoke enconf $conf; done\nfi\n");
        deb(name, "1").script("postinst", &script).file(&format!("etc/apache2/conf-available/{name}.conf"), b"")
    };
    let enabled = |packages: &[Deb]| {
        let files = built(packages, "");
        let links: Vec<String> =
            files.keys().filter(|path| path.contains("-enabled/")).map(|path| path["etc/apache2/".len()..].to_owned()).collect();
        (files, links)
    };
    let (files, links) = enabled(&[apache.clone()]);
    assert_eq!(
        links,
        [
            "conf-enabled/security.conf",
            "mods-enabled/alias.conf",
            "mods-enabled/alias.load",
            "mods-enabled/auth_basic.load",
            "mods-enabled/authn_core.load",
            "mods-enabled/mpm_event.load",
            "sites-enabled/000-default.conf",
        ]
    );
    assert_eq!(text(&files, "etc/apache2/mods-enabled/alias.load"), "->../mods-available/alias.load");
    assert_eq!(text(&files, "var/www/html/index.html"), "It works");
    assert_eq!(text(&files, "var/log/apache2/error.log"), "->/dev/stderr");
    assert!(text(&files, "etc/passwd").contains("www-data:x:33:33:"));
    let (_, links) = enabled(&[apache, module, asking("php8.4-fpm", 1), asking("php8.4-cgi", 1), asking("other", 0)]);
    let names: Vec<&str> = links.iter().filter_map(|link| link.strip_prefix("mods-enabled/")).collect();
    assert_eq!(
        names,
        ["alias.conf", "alias.load", "auth_basic.load", "authn_core.load", "mpm_prefork.conf", "mpm_prefork.load", "php8.4.load"]
    );
    let configurations: Vec<&str> = links.iter().filter_map(|link| link.strip_prefix("conf-enabled/")).collect();
    assert_eq!(configurations, ["other.conf", "security.conf"]);
}

#[test]
fn odbc_lists_the_drivers_of_packages() {
    let driver = |name: &str, template: &str| {
        deb(name, "1")
            .script(
                "postinst",
                &format!("#!/bin/sh\nif ! odbcinst -q -d; then\n  odbcinst -i -d -f /usr/share/{name}odbc/odbcinst.ini 1>&2\nfi\n"),
            )
            .file(&format!("usr/share/{name}odbc/odbcinst.ini"), template.as_bytes())
    };
    let packages = [deb("unixodbc-common", "2"), driver("aa", "[A]\nDriver\t= a.so\n"), driver("bb", "[B]\nDriver = b.so\n")];
    let files = built(&packages, "");
    assert_eq!(text(&files, "etc/odbcinst.ini"), "[A]\nDriver=a.so\nUsageCount=1\n\n[B]\nDriver=b.so\nUsageCount=1\n\n");
    assert_eq!(text(&built(&packages[..1], ""), "etc/odbcinst.ini"), "");
}

#[test]
fn ghostscript_knows_the_fonts_of_packages() {
    let packages = [
        deb("ghostscript", "10").script("postinst", "#!/bin/sh\nupdate-gsfontmap\n"),
        deb("poppler-data", "0.4")
            .file("etc/ghostscript/cidfmap.d/90b.conf", b"/B ;\n")
            .file("etc/ghostscript/cidfmap.d/10a.conf", b"/A ;\n"),
        deb("fonts-urw-base35", "2020").file("etc/ghostscript/fontmap.d/10.conf", b"/F (f.t1) ;\n"),
    ];
    assert_eq!(text(&built(&packages, ""), "var/lib/ghostscript/fonts/cidfmap"), "/A ;\n/B ;\n");
    assert_eq!(text(&built(&packages, ""), "var/lib/ghostscript/fonts/Fontmap"), "/F (f.t1) ;\n");
    assert_eq!(text(&built(&packages[..1], ""), "var/lib/ghostscript/fonts/cidfmap"), "");
}
