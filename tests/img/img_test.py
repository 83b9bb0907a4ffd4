#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden images: volumes that earlier versions wrote still open, hold what their manifests say, pass a whole check, and
take new files. See README.md beside this file for how to add one.

    img_test.py SOURCE-ROOT BUILD-ROOT              the test
    img_test.py SOURCE-ROOT BUILD-ROOT --make NAME [holdfast format options]   a new image and its manifest
"""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

FOLDER = os.path.join(tap.ROOT, 'tests/img')
HOLDFAST = os.path.join(tap.BUILD, 'src/tools/holdfast')
POSIX_IMAGE = os.path.join(tap.BUILD, 'tests/img/posix_image')


def holdfast(*arguments, data=None):
    done = subprocess.run([HOLDFAST, *arguments], input=data, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, f'holdfast {" ".join(arguments)}: exit status {done.returncode}\n{done.stderr.decode()}'
    return done.stdout


def posix(what, image):
    """Owners, modes and extended attributes, which are in posix_image.c's table and not in the manifest."""
    done = subprocess.run([POSIX_IMAGE, what, image], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


def describe(image):
    """What must stay true of an image whatever version opens it: {path: facts}."""
    facts = {}

    def walk(entries, above):
        for entry in entries:
            path = f'{above}/{entry["name"]}'
            fact = facts[path] = {key: entry[key] for key in ('type', 'size', 'links', 'attributes', 'written')}
            if entry['type'] == 'file':
                fact['sha256'] = hashlib.sha256(holdfast('cat', f'{image}:{path}')).hexdigest()
            if entry['type'] == 'reparse point':
                fact['reparse'] = holdfast('reparse', 'get', '--hex', f'{image}:{path}').decode().strip()
            else:
                stat = json.loads(holdfast('stat', '--json', f'{image}:{path}'))[0]
                fact['integrity'] = stat['integrity']
                fact['streams'] = {s['name']: s['size'] for s in stat.get('streams', [])}
            walk(entry.get('children', []), path)

    walk(json.loads(holdfast('tree', '--json', f'{image}:/')), '')
    return facts


def opened(packed):
    def case():
        with tempfile.TemporaryDirectory() as folder:
            image = os.path.join(folder, 'image.hf')
            with gzip.open(packed, 'rb') as source, open(image, 'wb') as target:
                shutil.copyfileobj(source, target)
            with open(packed.replace('.hf.gz', '.json'), encoding='utf-8') as manifest:
                expected = json.load(manifest)
            if 'log' in os.path.basename(packed):
                assert 'log' in json.loads(holdfast('probe', '--json', image))[0]['features'].split(',')
            holdfast('check', image)
            real = describe(image)
            complaints = [f'{path}: {real.get(path)}\nmanifest: {expected.get(path)}'
                          for path in sorted(expected.keys() | real.keys()) if real.get(path) != expected.get(path)]
            holdfast('put', '-', f'{image}:/new', data=b'written by this version')
            assert holdfast('cat', f'{image}:/new') == b'written by this version'
            holdfast('check', image)
            if 'posix' not in os.path.basename(packed):
                posix('make', image) # a volume from before there were any takes them too
            posix('check', image)
            holdfast('check', image)
            return complaints
    return (os.path.basename(packed), case)


def make(name, options):
    """A small volume with one of everything."""
    image = os.path.join(FOLDER, name + '.hf')
    holdfast('format', image, *options)
    holdfast('mkdir', f'{image}:/folder', f'{image}:/folder/empty')
    holdfast('put', '-', f'{image}:/empty', data=b'')
    holdfast('put', '-', f'{image}:/small.txt', data=b'a small file\n')
    holdfast('put', '-', f'{image}:/folder/big.bin', data=b''.join(b'%07d\n' % n for n in range(12000)))
    holdfast('put', '--stream', 'named', '-', f'{image}:/small.txt', data=b'a named stream\n')
    holdfast('put', '-', f'{image}:/Grüße – 日本語.txt', data='Grüße\n'.encode())
    holdfast('ln', f'{image}:/small.txt', f'{image}:/folder/hard link')
    holdfast('ln', '-s', 'folder\\big.bin', f'{image}:/link to file')
    holdfast('put', '-', f'{image}:/foreign', data=b'')
    foreign = '34120000' + '0500' + '0000' + '00112233445566778899aabbccddeeff' + '68656c6c6f'
    holdfast('reparse', 'set', '--hex', foreign, f'{image}:/foreign')
    for number in range(60):
        holdfast('put', '-', f'{image}:/folder/many {number:03}', data=b'%d\n' % number)
    if 'posix' in name:
        posix('make', image)
    if 'log' in name:
        posix('die', image)
    copy = shutil.copy(image, image + '.copy') # whoever opens a log empties it
    facts = describe(copy)
    os.unlink(copy)
    with open(image, 'rb') as source, open(image + '.gz', 'wb') as target:
        with gzip.GzipFile('', 'wb', 9, target, 0) as packed:
            shutil.copyfileobj(source, packed)
    os.unlink(image)
    with open(os.path.join(FOLDER, name + '.json'), 'w', encoding='utf-8') as manifest:
        json.dump(facts, manifest, indent=0, sort_keys=True, ensure_ascii=False)
        manifest.write('\n')


if '--make' in sys.argv:
    make(sys.argv[4], sys.argv[5:])
else:
    images = sorted(f for f in os.listdir(FOLDER) if f.endswith('.hf.gz'))
    tap.main([opened(os.path.join(FOLDER, f)) for f in images])
