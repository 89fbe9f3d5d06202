//! Macros that declare the types of a policy once, with documentation, so that the reader and the JSON schema cannot
//! differ.

/// Declares the type of an object by its keys: each field is an `Option` of what was read, with its documentation and
/// default. `..part` includes the keys of another object, `renamed` lists former keys, `misplaced` gives hints for keys
/// that belong elsewhere, `off` is the hint for `"off"` in place of the object, and `schema` adds what the schema cannot
/// derive from the keys.
macro_rules! object {
    (@required) => { true };
    (@more) => { schemars::json_schema!({}) };
    (@more $schema:tt) => { schemars::json_schema!($schema) };
    (
        $(#[doc = $doc:literal])*
        struct $name:ident {
            $(
                $(#[doc = $key_doc:literal])*
                $($required:ident)? $key:literal => $field:ident: $type:ty $(= $default:literal)?,
            )*
            $( ..$part:ident: $part_type:ty, )*
        }
        $( renamed { $( $old:literal => $new:literal, )* } )?
        $( misplaced { $( $misplaced:literal => $hint:literal, )* } )?
        $( off $off:literal )?
        $( schema $schema:tt )?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            $(
                $(#[doc = $key_doc])*
                pub(crate) $field: Option<$type>,
            )*
            $( pub(crate) $part: $part_type, )*
        }

        impl $crate::read::Object for $name {
            fn misplaced(&self) -> &'static [(&'static str, &'static str)] {
                &[$( $( ($misplaced, $hint) ),* )?]
            }

            fn off_hint(&self) -> Option<&'static str> {
                None $( .or(Some($off)) )?
            }

            fn renamed(&self, key: &str) -> Option<&'static str> {
                match key {
                    $( $( $old => Some($new), )* )?
                    _ => None $( .or_else(|| self.$part.renamed(key)) )*,
                }
            }

            fn keys(&self, keys: &mut Vec<$crate::read::Key>) {
                keys.extend_from_slice(&[$(
                    $crate::read::Key {
                        name: $key,
                        required: false $( || object!(@$required) )?,
                        allowed: <$type as $crate::read::Read>::ALLOWED,
                        #[cfg(feature = "schema")]
                        schema: $crate::schema::KeySchema {
                            doc: concat!($($key_doc),*),
                            default: None $( .or(Some($crate::schema::Default::from($default))) )?,
                            of: |generator| generator.subschema_for::<$type>(),
                        },
                    }
                ),*]);
                $( self.$part.keys(keys); )*
            }

            fn take(
                &mut self,
                key: &str,
                json: &$crate::json::Json,
                at: &$crate::path::Path<'_>,
                report: &mut $crate::error::Report,
            ) -> bool {
                match key {
                    $(
                        $key => {
                            self.$field = $crate::read::Read::read(json, at, report);
                            true
                        }
                    )*
                    _ => false $( || self.$part.take(key, json, at, report) )*,
                }
            }
        }

        impl $crate::read::Read for $name {
            const ALLOWED: &'static str = "it must be an object";

            fn read(
                json: &$crate::json::Json,
                at: &$crate::path::Path<'_>,
                report: &mut $crate::error::Report,
            ) -> Option<Self> {
                let mut object = Self::default();
                $crate::read::members(&mut object, json, at, report).then_some(object)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let more = object!(@more $($schema)?);
                $crate::schema::object(&Self::default(), generator, concat!($($doc),*), more)
            }
        }
    };
}

/// Declares an enum whose values are words.
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $allowed:literal {
            $( $(#[doc = $word_doc:literal])* $variant:ident = $word:literal, )*
        }
        $( default $default:ident )?
        $( renamed { $( $old:literal => $new:literal, )* } )?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $word_doc])* $variant, )*
        }

        $(
            impl Default for $name {
                fn default() -> Self {
                    Self::$default
                }
            }
        )?

        impl $name {
            /// The word in a policy.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }
        }

        impl $crate::read::Value for $name {
            const ALLOWED: &'static str = $allowed;
            const WORDS: &'static [&'static str] = &[$($word),*];
            const RENAMED: &'static [(&'static str, &'static str)] = &[$( $( ($old, $new) ),* )?];

            fn from_json(json: &$crate::json::Json) -> Result<Self, &'static str> {
                match json {
                    $( $crate::json::Json::String(word) if word == $word => Ok(Self::$variant), )*
                    _ => Err($allowed),
                }
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $crate::schema::prose(concat!($($doc),*)),
                    "oneOf": [$({
                        "const": $word,
                        "description": $crate::schema::prose(concat!($($word_doc),*)),
                    }),*],
                })
            }
        }
    };
}

pub(crate) use {object, words};
