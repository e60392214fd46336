# SPDX-License-Identifier: BSD-2-Clause
# Completion of vasmap(1) for fish. A test holds it against vasmap --help.

set -l find '__fish_seen_subcommand_from find'
set -l at '__fish_seen_subcommand_from at'
set -l list 'not __fish_seen_subcommand_from find at'

complete -c vasmap -n $list -a 'find' -d 'where there is room'
complete -c vasmap -n $list -a 'at' -d 'what is mapped at an address'
complete -c vasmap -a 'self' -d 'vasmap itself'
complete -c vasmap -a '(__fish_complete_pids)'

complete -c vasmap -n $list -s a -l all -d 'one row per mapping'
complete -c vasmap -n $list -s g -l gaps -d 'list the free ranges'
complete -c vasmap -n $list -s s -l summary -d 'totals by kind'
complete -c vasmap -n "not $at" -x -l min -d 'least size of a gap; least address to find'
complete -c vasmap -s b -l bytes -d 'sizes in bytes'
complete -c vasmap -s j -l json -d 'write JSON, schema vas.map/1'
complete -c vasmap -x -l color -a 'auto always never' -d 'colour the kinds'
complete -c vasmap -s h -l help -d 'print the help'
complete -c vasmap -s V -l version -d 'print the version'

complete -c vasmap -n $find -x -l size -d 'this much room'
complete -c vasmap -n $find -x -l align -d 'at a multiple of this'
complete -c vasmap -n $find -x -l max -d 'below this address'
complete -c vasmap -n $find -x -l near -d 'as near to it as there is room'
complete -c vasmap -n $find -x -l reach -d 'no further from it than this'
complete -c vasmap -n $find -x -l avoid -d 'outside this range'
complete -c vasmap -n $find -x -s n -l count -d 'so many places'
