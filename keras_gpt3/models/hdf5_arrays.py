"""The arrays of an HDF5 file that comes from elsewhere, before they are read.

HDF5 can keep an array in any other file of the machine, whose bytes a saved
model would carry out, and lead from a group back into itself.
"""


def hdf5_arrays(file):
    """Lists the arrays of a file, unread."""
    import h5py

    found, groups, seen = {}, [("", file)], set()
    while groups:
        path, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError(f"a group within itself, {path}")
        seen.add(address)
        for name in group:
            where = f"{path}/{name}" if path else name
            # Other links name a file, or lead in circles.
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"a link, {where}")
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append((where, item))
            elif item.external or item.is_virtual:
                raise ValueError(f"data of another file, {where}")
            else:
                found[where] = item
    return dict(sorted(found.items()))
