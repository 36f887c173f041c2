"""Tables of the space groups against published totals, spglib's database and the definition of a group."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from space_group_tables import all_positions, distinct, points_on, spglib_operations, tables
from torch import nn

from sunflow.crystals.space_groups import LETTERS, SpaceGroups, read_space_groups, write_space_groups

EVERY = range(1, 231)
APPENDIX = """
1:1/1/1 2:9/2/2 3:5/2/2 4:1/1/2 5:3/2/4 6:3/2/2 7:1/1/2 8:2/2/4 9:1/1/4 10:15/4/4 11:6/3/4 12:10/5/8 13:7/3/4 14:5/2/4
15:6/3/8 16:21/5/4 17:5/3/4 18:3/2/4 19:1/1/4 20:3/3/8 21:12/5/8 22:11/5/16 23:11/5/8 24:4/4/8 25:9/4/4 26:3/2/4
27:5/2/4 28:4/3/4 29:1/1/4 30:3/2/4 31:2/2/4 32:3/2/4 33:1/1/4 34:3/2/4 35:6/5/8 36:2/2/8 37:4/2/8 38:6/4/8 39:4/3/8
40:3/3/8 41:2/2/8 42:5/5/16 43:2/2/16 44:5/4/8 45:3/2/8 46:3/3/8 47:27/8/8 48:13/6/8 49:18/7/8 50:13/6/8 51:12/6/8
52:5/4/8 53:9/5/8 54:6/4/8 55:9/4/8 56:5/3/8 57:5/4/8 58:8/4/8 59:7/5/8 60:4/3/8 61:3/2/8 62:4/3/8 63:8/7/16 64:7/6/16
65:18/10/16 66:13/7/16 67:15/10/16 68:9/6/16 69:16/15/32 70:8/6/32 71:15/9/16 72:11/8/16 73:6/5/16 74:10/8/16 75:4/3/4
76:1/1/4 77:4/2/4 78:1/1/4 79:3/3/8 80:2/2/8 81:8/3/4 82:7/3/8 83:12/6/8 84:11/5/8 85:7/5/8 86:7/4/8 87:9/8/16
88:6/4/16 89:16/7/8 90:7/5/8 91:4/3/8 92:2/2/8 93:16/6/8 94:7/4/8 95:4/3/8 96:2/2/8 97:11/8/16 98:7/6/16 99:7/5/8
100:4/4/8 101:5/4/8 102:4/4/8 103:4/3/8 104:3/3/8 105:6/3/8 106:3/2/8 107:5/5/16 108:4/4/16 109:3/3/16 110:2/2/16
111:15/7/8 112:14/6/8 113:6/5/8 114:5/3/8 115:12/5/8 116:10/5/8 117:9/5/8 118:9/6/8 119:10/5/16 120:9/5/16 121:10/8/16
122:5/4/16 123:21/10/16 124:14/10/16 125:14/9/16 126:11/9/16 127:12/8/16 128:9/8/16 129:11/8/16 130:7/7/16 131:18/8/16
132:16/11/16 133:11/8/16 134:14/10/16 135:9/7/16 136:11/10/16 137:8/6/16 138:10/8/16 139:15/13/32 140:13/13/32
141:9/7/32 142:7/7/32 143:4/2/3 144:1/1/3 145:1/1/3 146:2/2/9 147:7/4/6 148:6/4/18 149:12/4/6 150:7/4/6 151:3/2/6
152:3/2/6 153:3/2/6 154:3/2/6 155:6/4/18 156:5/3/6 157:4/4/6 158:4/2/6 159:3/2/6 160:3/3/18 161:2/2/18 162:12/8/12
163:9/6/12 164:10/6/12 165:7/6/12 166:9/6/36 167:6/6/36 168:4/4/6 169:1/1/6 170:1/1/6 171:3/2/6 172:3/2/6 173:3/2/6
174:12/4/6 175:12/8/12 176:9/6/12 177:14/9/12 178:3/3/12 179:3/3/12 180:11/5/12 181:11/5/12 182:9/6/12 183:6/6/12
184:4/4/12 185:4/4/12 186:4/3/12 187:15/6/12 188:12/6/12 189:12/8/12 190:9/6/12 191:18/12/24 192:13/13/24 193:12/12/24
194:12/9/24 195:10/5/12 196:8/4/48 197:6/5/24 198:2/2/12 199:3/3/24 200:12/6/24 201:8/6/24 202:9/8/96 203:7/5/96
204:8/7/48 205:4/3/24 206:5/4/48 207:11/7/24 208:13/9/24 209:10/8/96 210:8/6/96 211:10/10/48 212:5/4/24 213:5/4/24
214:9/7/48 215:10/7/24 216:9/5/96 217:8/8/48 218:9/6/24 219:8/5/96 220:5/4/48 221:14/9/48 222:9/9/48 223:12/9/48
224:12/11/48 225:12/10/192 226:10/10/192 227:9/7/192 228:8/8/192 229:12/12/96 230:8/8/96
"""
"""Group:Wyckoff positions/distinct site symmetries/operations in the conventional cell, of PyXtal 1.1.5."""


def classes_of(number):
    """The distinct rows of site symmetries of a group, each with how often it occurs."""
    rows = tables().site_symmetries[tables().first_position[number] : tables().first_position[number + 1]]
    return torch.unique(rows, dim=0, return_counts=True)


def operations_of(number):
    return tables().operations[tables().first_operation[number] : tables().first_operation[number + 1]].numpy()


def num_centrings(number):
    return round(1 / float(torch.linalg.det(tables().primitive[number])))


def test_totals():
    space_group, wyckoff = all_positions()
    assert len(tables().positions) == len(space_group) == 1731
    labels = {
        f"{multiplicity}{LETTERS[letter]}"
        for multiplicity, letter in zip(tables().multiplicity.tolist(), wyckoff.tolist(), strict=True)
    }
    assert len(labels) == 186
    assert len(torch.unique(tables().site_symmetries, dim=0)) == 75
    counts = {number: classes_of(number)[1] for number in EVERY}
    assert sum(len(count) for count in counts.values()) == 1154
    assert [number for number in EVERY if len(counts[number]) == 15] == [69]
    assert max(len(count) for count in counts.values()) == 15
    sizes = torch.cat(list(counts.values())).bincount().tolist()
    assert sizes == [0, 748, 317, 29, 53, 0, 3, 0, 4]
    assert tables().num_positions(torch.tensor([47, 139])).tolist() == [27, 15]


def test_every_group_is_as_the_appendix_says():
    published = dict(entry.split(":") for entry in APPENDIX.split())
    assert len(published) == 230
    for number in EVERY:
        num_positions = int(tables().num_positions(torch.tensor(number)))
        found = (num_positions, len(classes_of(number)[0]), len(operations_of(number)) * num_centrings(number))
        assert "/".join(map(str, found)) == published[str(number)], number


def test_rows_of_fm3m():
    groups = torch.full((12,), 225)
    rows = tables().site_symmetry(groups, torch.arange(12)).tolist()
    assert rows[0] == rows[1] == [11, 11, 11, 8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 1, 1]
    assert rows[2] == [6, 6, 6, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 0, 0]
    assert rows[11] == [0] * 15
    multiplicities = tables().multiplicity[tables().position(groups, torch.arange(12))]
    assert multiplicities.tolist() == [4, 4, 8, 24, 24, 32, 48, 48, 48, 96, 96, 192]
    assert tables().first_alike[tables().position(groups, torch.arange(12))][:3].diff().tolist() == [0, 2]


@pytest.mark.parametrize("number", EVERY)
def test_operations_are_those_of_spglib_and_form_a_group(number):
    operations, primitive = operations_of(number), tables().primitive[number].numpy()
    rotations, translations = operations[:, :, :3], operations[:, :, 3]
    assert np.linalg.det(primitive) > 0
    images = rotations @ primitive.T @ np.linalg.inv(primitive.T)
    cells = np.linalg.inv(primitive.T) @ images @ primitive.T
    assert np.allclose(np.linalg.inv(primitive.T) @ rotations @ primitive.T, np.round(cells), atol=1e-9)
    places = {tuple(rotation.ravel()): place for place, rotation in enumerate(np.round(rotations).astype(int))}
    assert len(places) == len(operations)
    products = rotations[:, None] @ rotations
    moved = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]
    expected = translations[[[places[tuple(np.round(r).astype(int).ravel())] for r in row] for row in products]]
    steps = (moved - expected) @ np.linalg.inv(primitive)
    assert np.allclose(steps, np.round(steps), atol=1e-9)
    theirs = defaultdict(list)
    for rotation, translation in zip(*spglib_operations(number), strict=True):
        theirs[tuple(rotation.astype(int).ravel())].append(translation)
    assert theirs.keys() == places.keys()
    for rotation, several in theirs.items():
        steps = (np.array(several) - translations[places[rotation]]) @ np.linalg.inv(primitive)
        assert len(several) == num_centrings(number)
        assert np.allclose(steps, np.round(steps), atol=1e-5)


def test_orbits_have_as_many_points_as_the_position():
    """Counted with spglib's operations; and a primitive cell holds its share of them."""
    space_group, wyckoff = all_positions()
    position = tables().position(space_group, wyckoff)
    points = points_on(position).numpy()
    in_primitive_cells = tables().num_points(space_group, wyckoff).tolist()
    for number, row, point, few in zip(
        space_group.tolist(), position.tolist(), points, in_primitive_cells, strict=True
    ):
        rotations, translations = spglib_operations(number)
        orbit = rotations @ point + translations
        assert distinct(orbit) == int(tables().multiplicity[row])
        assert distinct(orbit, tables().primitive[number].numpy()) == few
        made = operations_of(number)[tables().makes_orbit[row, : len(operations_of(number))].numpy()]
        assert distinct(made[:, :, :3] @ point + made[:, :, 3], tables().primitive[number].numpy()) == few


def test_degrees_of_freedom_are_the_dimension_of_the_position():
    ranks = torch.linalg.matrix_rank(tables().positions[:, :, :3])
    assert torch.equal(ranks, tables().degrees_of_freedom)
    counts = tables().degrees_of_freedom.bincount(minlength=4)
    assert int(counts[3]) == 230


def test_letters_end_with_the_general_position():
    last = tables().position(torch.arange(1, 231), tables().num_positions(torch.arange(1, 231)) - 1)
    identity = torch.eye(3, 4, dtype=torch.float64)
    assert torch.equal(tables().positions[last], identity.expand(230, 3, 4))
    assert len(LETTERS) == len(set(LETTERS)) == 27


class Holder(nn.Module):
    """A generator with space groups and something to learn."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.space_groups = SpaceGroups()


def test_an_empty_one_takes_the_size_of_a_state_dict():
    full, empty = Holder(), Holder()
    full.space_groups = tables()
    empty.load_state_dict(full.state_dict())
    for name, table in tables().state_dict().items():
        assert torch.equal(empty.space_groups.state_dict()[name], table)
    assert not list(SpaceGroups().parameters())


def test_files(tmp_path):
    path = tmp_path / "space_groups.safetensors"
    write_space_groups(path, tables())
    for name, table in read_space_groups(path).state_dict().items():
        assert torch.equal(table, tables().state_dict()[name])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="holds no space groups"):
        read_space_groups(path)
