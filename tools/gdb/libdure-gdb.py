# SPDX-License-Identifier: MIT
"""libdure-gdb.py - how gdb shows what lies in a segment of libdure

Shown are refs, rel pointers, and the containers, by the pointers that programs have of them:

    (gdb) print words
    $1 = dure_map of 2 entries = {["one"] = 1, ["two"] = 2}

It needs no debug information of the library, and calls nothing in the program: it reads memory, so
it works on core files and beside a stopped writer. What is read is the segment's format,
dure-segment(5); of a handle, which is private to the library, its first pointers alone: the
segment and where the container is in it.
Values of 1, 2, 4 and 8 bytes are shown as numbers, others as bytes. How many entries are shown,
`set print elements` says.

gdb loads it by itself when libdure is installed; otherwise: source libdure-gdb.py
"""
import struct

import gdb
import gdb.printing

LEVELS_MAX = 24
BUCKET_SLOTS = 7
OFFSET_MASK = (1 << 48) - 1


def read(address, count):
    return bytes(gdb.selected_inferior().read_memory(address, count))


def number(address, count=8):
    return int.from_bytes(read(address, count), 'little')


def pointer_bytes():
    return gdb.lookup_type('void').pointer().sizeof


def pointer(address):
    return number(address, pointer_bytes())


def as_key(data):
    try:
        text = data.decode('utf-8')
        if text.isprintable():
            return '"' + text + '"'
    except UnicodeDecodeError:
        pass
    return '0x' + data.hex()


def as_value(data):
    if len(data) in (1, 2, 4, 8):
        return str(int.from_bytes(data, 'little', signed=True))
    return '0x' + data.hex()


class Ref:
    """An offset in a segment; nobody knows in which one."""

    def __init__(self, value):
        self.offset = int(value['offset'])

    def to_string(self):
        return '+%#x' % self.offset if self.offset else 'nothing'


class Rel:
    """The distance from itself to what it points to."""

    def __init__(self, value):
        self.distance = int(value['distance'])
        self.address = int(value.address) if value.address is not None else None

    def to_string(self):
        if self.distance == 0:
            return 'nothing'
        if self.address is None:
            return 'distance %d' % self.distance
        itself = self.distance == 1     # DURE_REL_SELF
        return '-> %#x' % (self.address + (0 if itself else self.distance))


class Container:
    """What all handles begin with: the segment, then where the container is."""

    name = ''
    shared_at = 1           # pointers

    def __init__(self, value):
        self.handle = int(value)
        self.is_none = self.handle == 0
        if not self.is_none:
            segment = pointer(self.handle)
            self.base = pointer(segment + 24 + pointer_bytes())
            self.shared = pointer(self.handle + self.shared_at * pointer_bytes())

    def at(self, field, count=8):
        return number(self.shared + field, count)

    def to_string(self):
        if self.is_none:
            return '0x0'
        try:
            return '%s of %s' % (self.name, self.size())
        except gdb.MemoryError:
            return '%s at %#x, which cannot be read' % (self.name, self.handle)

    def size(self):
        count = self.count()
        return '%d %s' % (count, 'entry' if count == 1 else 'entries')

    def children(self):
        if self.is_none:
            return
        i = 0
        try:
            for key, value in self.entries():
                if key is not None:
                    yield str(i), key
                    i += 1
                yield str(i), value
                i += 1
        except gdb.MemoryError:
            yield str(i), 'damaged'

    def display_hint(self):
        return 'map'


class Map(Container):
    name = 'dure_map'
    shared_at = 2

    def partitions(self):
        bits = min(self.at(4, 4), 10)
        return [self.shared + 64 + 128 * i for i in range(1 << bits)]

    def count(self):
        return sum(number(partition + 80) for partition in self.partitions())

    def entries(self):
        value_bytes = self.at(16)
        for partition in self.partitions():
            table = number(partition + 72)
            if not table:
                continue
            buckets = self.base + (table & ~63)
            for bucket in range(1 << (table & 63)):
                for slot in range(BUCKET_SLOTS):
                    word = number(buckets + 64 * bucket + 8 * slot)
                    if word:
                        yield self.entry(self.base + (word & OFFSET_MASK), value_bytes)

    def entry(self, at, value_bytes):
        count, offset = number(at + 28, 4), number(at + 32, 4)
        value = as_value(read(at + 40, value_bytes)) if value_bytes else ''
        return as_key(read(at + offset, count)), value


class Ordered(Container):
    name = 'dure_ordered'

    def count(self):
        return self.at(88)

    def entries(self):
        root = self.at(80)
        if root:
            yield from self.below(root, 0)

    def below(self, offset, depth):
        node = self.base + offset
        order = number(node)
        level = number(node + 8, 4)
        if depth >= LEVELS_MAX:
            return
        for i in range(order & 15):
            slot = (order >> (4 + 4 * i)) & 15
            payload = number(node + 136 + 8 * slot)
            if level:
                yield from self.below(payload, depth + 1)
            else:
                yield self.entry(number(node + 16 + 8 * slot), payload)

    def entry(self, word, payload):
        value_bytes, flags, ordering = self.at(96), self.at(104, 4), self.at(108, 4)
        is_number = flags & 1
        if is_number and not flags & 2 and value_bytes in (0, 8):
            value = as_value(payload.to_bytes(8, 'little')) if value_bytes else ''
            return self.number_key(word, ordering), value
        at = self.base + payload
        value = as_value(read(at + 8, value_bytes)) if value_bytes else ''
        if is_number:
            return self.number_key(word, ordering), value
        return as_key(read(at + number(at + 4, 4), number(at, 4))), value

    @staticmethod
    def number_key(word, ordering):
        top = 1 << 63
        if ordering == 1:
            word ^= top
            return str(word - (1 << 64) if word & top else word)
        if ordering == 2:
            word = word ^ top if word & top else ~word & ((1 << 64) - 1)
            return repr(struct.unpack('<d', word.to_bytes(8, 'little'))[0])
        return str(word)


class Vector(Container):
    name = 'dure_vector'
    shared_at = 2

    def count(self):
        return self.at(80)

    def size(self):
        kind = read(self.shared + 112, 48).split(b'\0')[0].decode('utf-8', 'replace')
        return '%d %s' % (self.count(), kind)

    def entries(self):
        element_bytes, first_bits = self.at(88), self.at(184, 4)
        for i in range(self.count()):
            chunk = (i + (1 << first_bits)).bit_length() - 1 - first_bits
            start = ((1 << chunk) - 1) << first_bits
            at = self.base + number(self.shared + 192 + 8 * chunk) + (i - start) * element_bytes
            yield None, as_value(read(at, element_bytes))

    def display_hint(self):
        return 'array'


class String(Container):
    name = 'dure_string'

    def to_string(self):
        if self.is_none:
            return '0x0'
        text, length = self.at(80), self.at(88)
        limit = gdb.parameter('print elements') or length
        data = read(self.base + text + 8, min(length, limit)) if text else b''
        shown = data.decode('utf-8', 'backslashreplace')
        return 'dure_string of %d bytes = "%s"%s' % (
            length, shown.encode('unicode_escape').decode().replace('"', '\\"'),
            '...' if length > limit else '')

    def children(self):
        return iter(())

    def display_hint(self):
        return None


STRUCTS = {'dure_ref': Ref, 'dure_rel': Rel}
HANDLES = {'dure_map': Map, 'dure_ordered': Ordered, 'dure_vector': Vector, 'dure_string': String}


def lookup(value):
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        found = HANDLES.get(kind.target().strip_typedefs().tag)
    else:
        found = STRUCTS.get(kind.tag)
    return found(value) if found else None


lookup.__name__ = 'libdure'
gdb.printing.register_pretty_printer(gdb.current_objfile(), lookup, replace=True)
