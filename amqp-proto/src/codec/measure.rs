//! The length of a value before it is written, and the constructors of its shortest form.
//!
//! Compounds nest, and the size of each compound is written before its items. One walk computes all sizes,
//! innermost first, into a [`Plan`]; a second walk writes the value with the sizes of the plan.

use super::code::Code;
use super::encode::{
    Encode, Writer, compound_len, grade_signed, grade_unsigned, is_narrow, octet, variable_len,
};
use crate::types::{Array, Described, Few, Kind, List, Map, Position, Step, Value, Walk};

/// A compound of a value, and its measures.
#[derive(Clone, Copy, Default)]
struct Compound {
    /// The number of the compound around it.
    parent: usize,
    place: Place,
    /// The length of its items: the value of its size field without the length of the count field.
    octets: usize,
    elements: Elements,
    /// The constructor of an array's elements.
    element: u8,
}

/// The sizes of all compounds in a value, parents before children.
struct Plan {
    compounds: Few<[Compound; 4]>,
    /// The length of the whole value, constructor included.
    total: usize,
}

/// The place of a value in the compound around it.
#[derive(Clone, Copy, Default)]
enum Place {
    /// Nothing is around the value.
    #[default]
    Root,
    /// In a list, a map or a described value.
    Item,
    /// Before the elements of an array, with an announcing octet.
    Descriptor,
    /// In an array, without a constructor.
    Element,
}

impl Place {
    fn of(position: Position<'_>) -> Self {
        match position.parent {
            None => Self::Root,
            Some(Value::Array(array)) if position.index < array.descriptors().len() => Self::Descriptor,
            Some(Value::Array(_)) => Self::Element,
            Some(_) => Self::Item,
        }
    }

    /// Writes the octet that announces a descriptor of an array.
    fn announce<'w>(self, writer: Writer<'w>) -> Writer<'w> {
        if matches!(self, Self::Descriptor) { writer.octet(Code::DESCRIBED) } else { writer }
    }
}

/// The common measures of an array's elements so far.
#[derive(Clone, Copy, Default)]
struct Elements {
    /// The widest grade: 0 for elements without octets, 1 for one octet or 8-bit sizes, else 2.
    grade: usize,
    octets: usize,
    count: usize,
    trues: usize,
}

impl Plan {
    fn new(root: &Value) -> Self {
        let mut plan = Self { compounds: Default::default(), total: 0 };
        let mut current = 0;
        let mut walk = Walk::new(root);
        while let Some((step, position)) = walk.step() {
            match step {
                Step::Leaf(value) => plan.add(current, Place::of(position), value, 0),
                Step::Enter(_) => {
                    let compound =
                        Compound { parent: current, place: Place::of(position), ..Default::default() };
                    current = plan.compounds.len();
                    plan.compounds.push(compound);
                }
                Step::Leave(value) => {
                    let Some(compound) = plan.compounds.get_mut(current) else { break };
                    compound.close(value);
                    let Compound { parent, place, octets, .. } = *compound;
                    plan.add(parent, place, value, octets);
                    current = parent;
                }
            }
        }
        plan
    }

    /// Adds a value to the compound around it; `octets` is the length of its own items.
    fn add(&mut self, parent: usize, place: Place, value: &Value, octets: usize) {
        match (place, self.compounds.get_mut(parent)) {
            (Place::Root, _) => self.total = full_len(value, octets),
            (Place::Item, Some(parent)) => parent.octets += full_len(value, octets),
            (Place::Descriptor, Some(parent)) => parent.octets += 1 + full_len(value, octets),
            (Place::Element, Some(parent)) => parent.elements.add(value, octets),
            (_, None) => {}
        }
    }
}

impl Compound {
    fn close(&mut self, value: &Value) {
        if let Value::Array(array) = value {
            let octets;
            (self.element, octets) = self.elements.form(array);
            self.octets += 1 + octets;
        }
    }
}

impl Elements {
    fn add(&mut self, value: &Value, octets: usize) {
        self.count += 1;
        let (grade, octets) = match value {
            Value::Uint(n) => (grade_unsigned(u64::from(*n)), 0),
            Value::Ulong(n) => (grade_unsigned(*n), 0),
            Value::Int(n) => (grade_signed(i64::from(*n)), 0),
            Value::Long(n) => (grade_signed(*n), 0),
            Value::Boolean(value) => {
                self.trues += usize::from(*value);
                (1, 0)
            }
            Value::Binary(octets) => (grade_size(octets.len()), octets.len()),
            Value::String(text) => (grade_size(text.len()), text.len()),
            Value::Symbol(name) => (grade_size(name.len()), name.len()),
            Value::List(list) if list.is_empty() => (0, 0),
            Value::List(List { items }) | Value::Map(Map { items }) => {
                (2 - usize::from(is_narrow(octets, items.len())), octets)
            }
            Value::Array(array) => (2 - usize::from(is_narrow(octets, array.len())), octets),
            _ => (1, 0),
        };
        self.grade = self.grade.max(grade);
        self.octets += octets;
    }

    /// Returns the shortest constructor that fits every element, and the length of all elements [1.2.4].
    fn form(&self, array: &Array) -> (u8, usize) {
        let n = self.count;
        // An empty array takes the form that most readers expect, never a form without octets.
        let grade = if n == 0 { 1 } else { self.grade };
        let variable =
            |narrow, wide| if grade < 2 { (narrow, self.octets + n) } else { (wide, self.octets + 4 * n) };
        let compound = |narrow, wide| {
            if grade < 2 { (narrow, self.octets + 2 * n) } else { (wide, self.octets + 8 * n) }
        };
        match (array.kind(), grade) {
            (Kind::Null, _) => (Code::NULL, 0),
            (Kind::Boolean, _) if n > 0 && self.trues == n => (Code::TRUE, 0),
            (Kind::Boolean, _) if n > 0 && self.trues == 0 => (Code::FALSE, 0),
            (Kind::Boolean, _) => (Code::BOOLEAN, n),
            (Kind::Ubyte, _) => (Code::UBYTE, n),
            (Kind::Byte, _) => (Code::BYTE, n),
            (Kind::Ushort, _) => (Code::USHORT, 2 * n),
            (Kind::Short, _) => (Code::SHORT, 2 * n),
            (Kind::Uint, 0) => (Code::UINT0, 0),
            (Kind::Uint, 1) => (Code::SMALL_UINT, n),
            (Kind::Uint, _) => (Code::UINT, 4 * n),
            (Kind::Ulong, 0) => (Code::ULONG0, 0),
            (Kind::Ulong, 1) => (Code::SMALL_ULONG, n),
            (Kind::Ulong, _) => (Code::ULONG, 8 * n),
            (Kind::Int, 0 | 1) => (Code::SMALL_INT, n),
            (Kind::Int, _) => (Code::INT, 4 * n),
            (Kind::Long, 0 | 1) => (Code::SMALL_LONG, n),
            (Kind::Long, _) => (Code::LONG, 8 * n),
            (Kind::Float, _) => (Code::FLOAT, 4 * n),
            (Kind::Double, _) => (Code::DOUBLE, 8 * n),
            (Kind::Decimal32, _) => (Code::DECIMAL32, 4 * n),
            (Kind::Decimal64, _) => (Code::DECIMAL64, 8 * n),
            (Kind::Decimal128, _) => (Code::DECIMAL128, 16 * n),
            (Kind::Char, _) => (Code::CHAR, 4 * n),
            (Kind::Timestamp, _) => (Code::TIMESTAMP, 8 * n),
            (Kind::Uuid, _) => (Code::UUID, 16 * n),
            (Kind::Binary, _) => variable(Code::BINARY8, Code::BINARY32),
            (Kind::String, _) => variable(Code::STRING8, Code::STRING32),
            (Kind::Symbol, _) => variable(Code::SYMBOL8, Code::SYMBOL32),
            (Kind::List, 0) => (Code::LIST0, 0),
            (Kind::List, _) => compound(Code::LIST8, Code::LIST32),
            (Kind::Map, _) => compound(Code::MAP8, Code::MAP32),
            (Kind::Array, _) => compound(Code::ARRAY8, Code::ARRAY32),
        }
    }
}

fn grade_size(octets: usize) -> usize {
    1 + usize::from(octets > usize::from(u8::MAX))
}

/// Returns the length of a value, constructor included. The items of a compound take `octets`.
fn full_len(value: &Value, octets: usize) -> usize {
    match value {
        Value::List(list) if list.is_empty() => 1,
        Value::List(List { items }) | Value::Map(Map { items }) => compound_len(octets, items.len()),
        Value::Array(array) => compound_len(octets, array.len()),
        Value::Described(_) => 1 + octets,
        leaf => value_len(leaf),
    }
}

/// Returns the length of a value, constructor and items included.
fn value_len(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) => 1,
        Value::Ubyte(_) | Value::Byte(_) => 2,
        Value::Ushort(_) | Value::Short(_) => 3,
        Value::Uint(n) => Encode::size(n),
        Value::Ulong(n) => Encode::size(n),
        Value::Int(n) => Encode::size(n),
        Value::Long(n) => Encode::size(n),
        Value::Float(_) | Value::Decimal32(_) | Value::Char(_) => 5,
        Value::Double(_) | Value::Decimal64(_) | Value::Timestamp(_) => 9,
        Value::Decimal128(_) | Value::Uuid(_) => 17,
        Value::Binary(octets) => variable_len(octets.len()),
        Value::String(text) => variable_len(text.len()),
        Value::Symbol(name) => variable_len(name.len()),
        Value::List(_) | Value::Map(_) | Value::Array(_) | Value::Described(_) => nested_len(value),
    }
}

/// Returns the length of a nested value. Out of line, since few values are nested.
#[cold]
fn nested_len(value: &Value) -> usize {
    Plan::new(value).total
}

#[cold]
fn write_nested<'w>(value: &Value, writer: Writer<'w>) -> Writer<'w> {
    write_planned(value, &Plan::new(value), writer)
}

/// Writes a value, constructor and items included.
fn write_value<'w>(value: &Value, writer: Writer<'w>) -> Writer<'w> {
    match value {
        Value::Null => writer.octet(Code::NULL),
        Value::Boolean(value) => value.write(writer),
        Value::Ubyte(n) => n.write(writer),
        Value::Ushort(n) => n.write(writer),
        Value::Uint(n) => n.write(writer),
        Value::Ulong(n) => n.write(writer),
        Value::Byte(n) => n.write(writer),
        Value::Short(n) => n.write(writer),
        Value::Int(n) => n.write(writer),
        Value::Long(n) => n.write(writer),
        Value::Float(n) => n.write(writer),
        Value::Double(n) => n.write(writer),
        Value::Decimal32(n) => writer.octet(Code::DECIMAL32).octets(n.to_be_bytes()),
        Value::Decimal64(n) => writer.octet(Code::DECIMAL64).octets(n.to_be_bytes()),
        Value::Decimal128(n) => writer.octet(Code::DECIMAL128).octets(n.to_be_bytes()),
        Value::Char(c) => c.write(writer),
        Value::Timestamp(time) => time.write(writer),
        Value::Uuid(id) => id.write(writer),
        Value::Binary(octets) => octets.write(writer),
        Value::String(text) => text.write(writer),
        Value::Symbol(name) => name.write(writer),
        Value::List(_) | Value::Map(_) | Value::Array(_) | Value::Described(_) => write_nested(value, writer),
    }
}

/// Writes an element of an array of scalars in the form of constructor `code`.
fn write_element<'w>(value: &Value, code: u8, writer: Writer<'w>) -> Writer<'w> {
    let narrow = code >> 4 == 0x5;
    match value {
        Value::Boolean(value) if narrow => writer.octet(u8::from(*value)),
        Value::Ubyte(n) => writer.octet(*n),
        Value::Byte(n) => writer.octet(n.cast_unsigned()),
        Value::Ushort(n) => writer.octets(n.to_be_bytes()),
        Value::Short(n) => writer.octets(n.to_be_bytes()),
        Value::Uint(n) if narrow => writer.octet(u8::try_from(*n).unwrap_or_default()),
        Value::Uint(n) if code == Code::UINT => writer.octets(n.to_be_bytes()),
        Value::Ulong(n) if narrow => writer.octet(u8::try_from(*n).unwrap_or_default()),
        Value::Ulong(n) if code == Code::ULONG => writer.octets(n.to_be_bytes()),
        Value::Int(n) if narrow => writer.octets(i8::try_from(*n).unwrap_or_default().to_be_bytes()),
        Value::Int(n) => writer.octets(n.to_be_bytes()),
        Value::Long(n) if narrow => writer.octets(i8::try_from(*n).unwrap_or_default().to_be_bytes()),
        Value::Long(n) => writer.octets(n.to_be_bytes()),
        Value::Float(n) => writer.octets(n.to_bits().to_be_bytes()),
        Value::Double(n) => writer.octets(n.to_bits().to_be_bytes()),
        Value::Decimal32(n) => writer.octets(n.to_be_bytes()),
        Value::Decimal64(n) => writer.octets(n.to_be_bytes()),
        Value::Decimal128(n) => writer.octets(n.to_be_bytes()),
        Value::Char(c) => writer.octets(u32::from(*c).to_be_bytes()),
        Value::Timestamp(time) => writer.octets(time.as_millis().to_be_bytes()),
        Value::Uuid(id) => writer.octets(*id.as_bytes()),
        Value::Binary(octets) => write_sized(octets, code, writer),
        Value::String(text) => write_sized(text.as_bytes(), code, writer),
        Value::Symbol(name) => write_sized(name.as_bytes(), code, writer),
        // Null, and the values without octets: true, false, zero, the empty list.
        _ => writer,
    }
}

fn write_sized<'w>(octets: &[u8], code: u8, writer: Writer<'w>) -> Writer<'w> {
    let writer = if code >> 4 == 0xa { writer.size8(octets.len()) } else { writer.size32(octets.len()) };
    writer.slice(octets)
}

fn write_planned<'w>(root: &Value, plan: &Plan, mut writer: Writer<'w>) -> Writer<'w> {
    let (mut current, mut entered) = (0, 0);
    let mut walk = Walk::new(root);
    while let Some((step, position)) = walk.step() {
        let (parent, element) =
            plan.compounds.get(current).map_or((0, 0), |open| (open.parent, open.element));
        // The constructor comes before the first element, or without elements before the end.
        let array = position.parent.and_then(Value::as_array);
        if array.is_some_and(|array| array.descriptors().len() == position.index) {
            writer = writer.octet(element);
        }
        let place = Place::of(position);
        writer = match step {
            Step::Leaf(value) => match place {
                Place::Element => write_element(value, element, writer),
                _ => write_value(value, place.announce(writer)),
            },
            Step::Enter(value) => {
                let octets = plan.compounds.get(entered).map_or(0, |compound| compound.octets);
                (current, entered) = (entered, entered + 1);
                match place {
                    Place::Element => write_element_opening(value, octets, element, writer),
                    _ => write_opening(value, octets, place.announce(writer)),
                }
            }
            Step::Leave(_) => {
                current = parent;
                writer
            }
        };
    }
    writer
}

/// Writes the octets before the items of a compound: constructor, size, count.
fn write_opening<'w>(value: &Value, octets: usize, writer: Writer<'w>) -> Writer<'w> {
    match value {
        Value::List(list) if list.is_empty() => writer.octet(Code::LIST0),
        Value::List(list) => writer.compound(Code::LIST8, Code::LIST32, octets, list.len()),
        Value::Map(map) => writer.compound(Code::MAP8, Code::MAP32, octets, map.items.len()),
        Value::Array(array) => writer.compound(Code::ARRAY8, Code::ARRAY32, octets, array.len()),
        _ => writer.octet(Code::DESCRIBED),
    }
}

/// Writes the size and count of a compound that is an element of an array with element constructor `code`.
fn write_element_opening<'w>(value: &Value, octets: usize, code: u8, writer: Writer<'w>) -> Writer<'w> {
    let count = match value {
        Value::Array(array) => array.len(),
        _ => value.items().map_or(0, |items| items.len()),
    };
    match code >> 4 {
        0xc | 0xe => writer.size8(octets + 1).size8(count),
        0xd | 0xf => writer.size32(octets + 4).size32(count),
        _ => writer,
    }
}

impl Encode for Value {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    #[inline]
    fn size(&self) -> usize {
        value_len(self)
    }

    #[inline]
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        write_value(self, writer)
    }
}

/// Returns the length of consecutive items. Most are text, so text is tested first.
#[inline]
fn items_len(items: &[Value]) -> usize {
    let mut octets = 0;
    for value in items {
        octets += match value {
            Value::String(text) => variable_len(text.len()),
            other => value_len(other),
        };
    }
    octets
}

#[inline]
fn write_items<'w>(items: &[Value], mut writer: Writer<'w>) -> Writer<'w> {
    for value in items {
        writer = match value {
            Value::String(text) => text.write(writer),
            other => write_value(other, writer),
        };
    }
    writer
}

impl Encode for List {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        if self.is_empty() { 1 } else { compound_len(items_len(&self.items), self.len()) }
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        if self.is_empty() {
            return writer.octet(Code::LIST0);
        }
        let writer = writer.compound(Code::LIST8, Code::LIST32, items_len(&self.items), self.len());
        write_items(&self.items, writer)
    }
}

impl Map {
    /// Returns the length of the keys and values, for [`write_measured`](Self::write_measured) and
    /// [`measured_len`](Self::measured_len).
    pub(crate) fn measure(&self) -> usize {
        items_len(&self.items)
    }

    /// Returns the length of the whole map, given the length of its keys and values.
    pub(crate) fn measured_len(&self, octets: usize) -> usize {
        compound_len(octets, self.items.len())
    }

    /// Writes the map without measuring it first. Returns a full writer if the map needs the 32-bit form.
    pub(crate) fn write_narrow<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        let Some((opening, writer)) = writer.set_aside::<3>() else { return Writer::full() };
        let room = writer.left();
        let writer = write_items(&self.items, writer);
        let octets = room - writer.left();
        if !is_narrow(octets, self.items.len()) {
            return Writer::full();
        }
        *opening = [Code::MAP8, octet(octets + 1), octet(self.items.len())];
        writer
    }

    /// Writes the map, given the length of its keys and values.
    pub(crate) fn write_measured<'w>(&self, octets: usize, writer: Writer<'w>) -> Writer<'w> {
        write_items(&self.items, writer.compound(Code::MAP8, Code::MAP32, octets, self.items.len()))
    }
}

impl Encode for Map {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        self.measured_len(self.measure())
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        self.write_measured(self.measure(), writer)
    }
}

impl Encode for Described {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        1 + items_len(&self.items)
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        write_items(&self.items, writer.octet(Code::DESCRIBED))
    }
}
