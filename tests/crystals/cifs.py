"""CIF texts, good and hostile."""

LINES = """data_crystal
_symmetry_space_group_name_H-M   'P 1'
_cell_length_a   {a}
_cell_length_b   {b}
_cell_length_c   {c}
_cell_angle_alpha   {alpha}
_cell_angle_beta   {beta}
_cell_angle_gamma   {gamma}
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_symmetry_multiplicity
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
{atoms}
"""
SODIUM_NITRIDE = (("Na", 0.0, 0.0, 0.0, 1), ("N", 0.5, 0.5, 0.5, 1))


def cif(*atoms, a=3.1, b=4.2, c=5.3, alpha=90, beta=90, gamma=90):
    """The CIF of a cell with these (element, x, y, z, occupancy)."""
    rows = [
        f"  {element} {element}{index} 1 {x} {y} {z} {occupancy}"
        for index, (element, x, y, z, occupancy) in enumerate(atoms or SODIUM_NITRIDE)
    ]
    return LINES.format(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma, atoms="\n".join(rows))
