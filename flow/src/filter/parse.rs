//! From tokens to an expression: `or` binds loosest, then `and`, then `not`.

use super::{
    FilterError, MAX_DEPTH, Node,
    term::{Side, Term},
    token::{Placed, Token, split},
    word::{ethertype, named, net, ports, protocol, rule, vlan},
};
use netweir_wire::map::Direction;

const A_TERM: &str = "a term such as `host 10.0.0.1`, `port 443` or `tcp`";
const AN_ADDRESS: &str = "an address or a network such as 10.0.0.0/8";
const AN_END: &str = "`host`, `net`, `port` or an address";
const A_PORT: &str = "a port such as 443, or ports such as 80-90";
const A_PROTOCOL: &str = "a protocol's name or its number, 0 to 255";
const AN_ETHERTYPE: &str = "an ethertype such as 0x88cc or `lldp`";
const A_VLAN: &str = "a VLAN identifier, 0 to 4095";
const A_NAME: &str = "the name of an interface";
const A_LABEL: &str = "a label";
const A_RULE: &str = "the number of a rule, or 0 for none";
const A_JOINT: &str = "`and`, `or` or the end";
const A_JOINT_INSIDE: &str = "`and`, `or` or `)`";

/// Names of protocols that stand for themselves.
const BARE: [&str; 10] = [
    "tcp", "udp", "icmp", "icmp6", "sctp", "esp", "gre", "arp", "ip", "ip6",
];

/// Walks over the tokens of an expression.
pub(super) struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, FilterError> {
        Ok(Self {
            tokens: split(text)?,
            at: 0,
            depth: 0,
        })
    }

    /// Reads the whole expression.
    pub(super) fn parse(mut self) -> Result<Node, FilterError> {
        let root = self.any_of()?;
        match self.peek() {
            Token::End => Ok(root),
            _ => Err(self.unexpected(A_JOINT)),
        }
    }

    fn any_of(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all_of()?];
        while self.accept(&Token::Or, "or") {
            nodes.push(self.all_of()?);
        }
        Ok(chain(nodes, Node::Or, |node| match node {
            Node::Or(nodes) => Ok(nodes),
            other => Err(other),
        }))
    }

    fn all_of(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.negation()?];
        while self.accept(&Token::And, "and") {
            nodes.push(self.negation()?);
        }
        Ok(chain(nodes, Node::And, |node| match node {
            Node::And(nodes) => Ok(nodes),
            other => Err(other),
        }))
    }

    fn negation(&mut self) -> Result<Node, FilterError> {
        if self.accept(&Token::Not, "not") {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.negation()?))));
        }
        if self.accept(&Token::Open, "(") {
            return self.deeper(|parser| {
                let inside = parser.any_of()?;
                match parser.accept(&Token::Close, ")") {
                    true => Ok(inside),
                    false => Err(parser.unexpected(A_JOINT_INSIDE)),
                }
            });
        }
        self.term().map(Node::Term)
    }

    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Node, FilterError>,
    ) -> Result<Node, FilterError> {
        if self.depth == MAX_DEPTH {
            let column = self.tokens[self.at].column;
            return Err(FilterError::TooDeep { column });
        }
        self.depth += 1;
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        let Token::Word(word) = self.peek() else {
            return Err(self.unexpected(A_TERM));
        };
        let word = word.to_ascii_lowercase();
        let bare = BARE.contains(&&*word).then(|| named(&word)).flatten();
        if let Some(term) = bare {
            self.at += 1;
            return Ok(term);
        }
        if matches!(&*word, "src" | "dst") {
            self.at += 1;
            let side = if word == "src" {
                Side::Source
            } else {
                Side::Destination
            };
            return self.of_end(side, AN_END);
        }
        if matches!(&*word, "host" | "net" | "port") || net(&word).is_some() {
            return self.of_end(Side::Either, A_TERM);
        }
        let read = match &*word {
            "in" | "ingress" => |_: &mut Self| Ok(Term::Direction(Direction::Ingress)),
            "out" | "egress" => |_: &mut Self| Ok(Term::Direction(Direction::Egress)),
            "proto" => |parser: &mut Self| parser.argument(A_PROTOCOL, protocol),
            "ethertype" => |parser: &mut Self| parser.argument(AN_ETHERTYPE, ethertype),
            "vlan" => |parser: &mut Self| parser.argument(A_VLAN, vlan),
            "interface" | "iface" => |parser: &mut Self| parser.name(A_NAME).map(Term::Interface),
            "label" => |parser: &mut Self| parser.name(A_LABEL).map(Term::Label),
            "rule" => |parser: &mut Self| parser.argument(A_RULE, rule),
            _ => return Err(self.unexpected(A_TERM)),
        };
        self.at += 1;
        read(self)
    }

    /// What can stand behind `src` or `dst`, or without them.
    fn of_end(&mut self, side: Side, expected: &'static str) -> Result<Term, FilterError> {
        let word = match self.peek() {
            Token::Word(word) => word.to_ascii_lowercase(),
            _ => return Err(self.unexpected(expected)),
        };
        match &*word {
            "port" => {
                self.at += 1;
                self.argument(A_PORT, |word| Some(Term::Ports(side, ports(word)?)))
            }
            "host" | "net" => {
                self.at += 1;
                self.argument(AN_ADDRESS, |word| Some(Term::Net(side, net(word)?)))
            }
            _ => self.argument(expected, |word| Some(Term::Net(side, net(word)?))),
        }
    }

    fn name(&mut self, expected: &'static str) -> Result<String, FilterError> {
        let (Token::Word(name) | Token::Quoted(name)) = self.peek() else {
            return Err(self.unexpected(expected));
        };
        let name = name.clone();
        self.at += 1;
        Ok(name)
    }

    /// Reads a word that must mean something.
    fn argument(
        &mut self,
        expected: &'static str,
        read: impl Fn(&str) -> Option<Term>,
    ) -> Result<Term, FilterError> {
        let term = match self.peek() {
            Token::Word(word) => read(word),
            _ => None,
        };
        let term = term.ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(term)
    }

    fn peek(&self) -> &Token {
        // The last token is `End`, which nothing steps over.
        &self.tokens[self.at].token
    }

    /// Steps over a token if it is the one given, as a sign or as a word.
    fn accept(&mut self, sign: &Token, wanted: &str) -> bool {
        let found = match self.peek() {
            Token::Word(word) => word.eq_ignore_ascii_case(wanted),
            token => token == sign,
        };
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        let Placed { token, column } = &self.tokens[self.at];
        FilterError::Unexpected {
            column: *column,
            expected,
            found: token.describe(),
        }
    }
}

/// Joins nodes to one, and takes over the nodes of those that are joined alike.
fn chain(
    nodes: Vec<Node>,
    join: fn(Vec<Node>) -> Node,
    open: fn(Node) -> Result<Vec<Node>, Node>,
) -> Node {
    let mut flat = Vec::with_capacity(nodes.len());
    for node in nodes {
        match open(node) {
            Ok(inner) => flat.extend(inner),
            Err(node) => flat.push(node),
        }
    }
    if flat.len() == 1 {
        flat.remove(0)
    } else {
        join(flat)
    }
}
