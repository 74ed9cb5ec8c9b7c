//! Links between documents, and between the two languages.

use crate::{documents, read, root};

#[test]
fn every_link_leads_to_a_file() {
    for document in documents() {
        let text = read(&document);
        let place = root().join(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            if target.contains("://") || target.starts_with('#') || target.starts_with("mailto:") {
                continue;
            }
            let file = target.split('#').next().unwrap();
            assert!(
                place.parent().unwrap().join(file).exists(),
                "{document}: the link {target} leads nowhere"
            );
        }
    }
}

/// A reader who follows the Japanese guide types the same commands.
#[test]
fn both_languages_show_the_same_commands() {
    for document in documents() {
        let Some(name) = document.strip_prefix("docs/ja/") else { continue };
        let commands = |text: String| {
            let blocks = crate::console::blocks(&text).unwrap();
            blocks
                .into_iter()
                .flat_map(|block| block.commands)
                .map(|command| command.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(commands(read(&document)), commands(read(&format!("docs/{name}"))), "{document}");
    }
}
