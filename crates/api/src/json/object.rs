//! What makes a message of a list of its members, and an enum of a list of words.

/// Structs whose members have their names in JSON, can be read, and are written in this order. The text is what the
/// reference server calls the type, with `*` where its lists hold pointers. Structs after `=` are spread: their members
/// stand in the outer object.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $type_name:literal
        $(= { $($(#[$flat_meta:meta])* pub $flat:ident: $flat_type:ty,)+ } +)?
        { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        pub struct $name {
            $($($(#[$flat_meta])* #[serde(flatten)] pub $flat: $flat_type,)+)?
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl crate::json::Object for $name {
            fn members(&mut self) -> Vec<crate::json::Member<'_>> {
                let own: Vec<crate::json::Member<'_>> = vec![$((
                    stringify!($field).trim_start_matches("r#"),
                    &mut self.$field as &mut dyn crate::json::Read,
                )),*];
                let parts: Vec<Vec<crate::json::Member<'_>>> =
                    vec![$($(crate::json::Object::members(&mut self.$flat),)+)? own];
                parts.into_iter().flatten().collect()
            }
        }

        impl crate::json::Read for $name {
            fn read(
                &mut self,
                value: &crate::json::Value<'_>,
                at: &crate::json::At<'_>,
            ) -> Result<(), crate::json::JsonError> {
                crate::json::read_object(self, value, at)
            }

            fn type_name() -> String {
                $type_name.trim_start_matches('*').to_owned()
            }

            fn element_name() -> String {
                $type_name.to_owned()
            }
        }
    };
}

/// Enums that are words in JSON. A word is compared byte by byte, escapes and all; what is none of them is refused with
/// the text that `$refusal` makes of it.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $refusal:path {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $also:literal)*,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::json::Read for $name {
            fn read(
                &mut self,
                value: &crate::json::Value<'_>,
                _: &crate::json::At<'_>,
            ) -> Result<(), crate::json::JsonError> {
                let word = value.raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
                *self = match word.and_then(|word| std::str::from_utf8(word).ok()) {
                    $(Some($word $(| $also)*) => Self::$variant,)+
                    Some(_) | None => return Err($refusal(value)),
                };
                Ok(())
            }

            fn type_name() -> String {
                concat!("server.", stringify!($name)).to_owned()
            }
        }
    };
}

pub(crate) use {object, words};
